/** Changes who votes in a room whose cluster has objects, through the log. */
import type { Member } from "../../member/node/member.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { RoomEdge } from "../../transport/room.ts";

/** Resolves when the change is committed; the leader then promotes and demotes. Rejects with EtcdError. */
export function reshape(
  member: Member | undefined,
  edge: RoomEdge | undefined,
  shape: "edge" | "mixed",
): Promise<void> {
  if (member === undefined) throw refusal("this tab has no member of its room");
  if (edge === undefined)
    throw refusal("the members of this room are browser tabs only: it has no object that could vote");
  const { auth, membership } = member.machine;
  if (auth.enabled) {
    throw new EtcdError(
      GrpcCode.PermissionDenied,
      "auth is enabled: an administrator changes this with the command line",
    );
  }
  const { objects } = membership.shape;
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    member.changes.reshape({ shape, objects: objects.length === 0 ? edge.objects : objects }, (outcome) => {
      if (outcome.ok) resolve();
      else reject(outcome.error);
    });
  });
}

function refusal(text: string): EtcdError {
  return new EtcdError(GrpcCode.FailedPrecondition, text);
}
