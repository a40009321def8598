/** Changes who votes in a room, through the log. */
import type { Member } from "../../member/node/member.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { RoomRegistry } from "../../transport/room.ts";
import { messageOf } from "../common/patience.ts";
import type { RoomShape } from "../common/room-edge.ts";
import { homeOf } from "../common/room-home.ts";

/** Resolves when the change is committed; the leader then promotes and demotes. Rejects with EtcdError. */
export async function reshape(member: Member | undefined, registry: RoomRegistry, shape: RoomShape): Promise<void> {
  if (member === undefined) throw refusal("this tab has no member of its room");
  const { auth, membership } = member.machine;
  if (auth.enabled) {
    throw new EtcdError(
      GrpcCode.PermissionDenied,
      "auth is enabled: an administrator changes this with the command line",
    );
  }
  const isOfTabs = homeOf(membership) === "tabs";
  if (isOfTabs && shape === "tabs") return;
  const objects = isOfTabs ? await newObjects(member, registry) : membership.shape.objects;
  await changed((done) => member.changes.reshape({ shape, objects }, done));
}

/** Prepared at the server. They become members when the leader has read that they are to vote. */
async function newObjects(member: Member, registry: RoomRegistry): Promise<readonly MemberId[]> {
  const { membership } = member.machine;
  const former = membership.shape.objects.filter((id) => membership.has(id));
  for (const id of former) await changed((done) => member.changes.remove(id, done));
  try {
    return (await registry.prepareObjects(member.clusterId)).objects;
  } catch (error) {
    throw refusal(`the server keeps no object for this room: ${messageOf(error)}`);
  }
}

type Done = Parameters<Member["changes"]["reshape"]>[1];

function changed(change: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    change((outcome) => {
      if (outcome.ok) resolve();
      else reject(outcome.error);
    });
  });
}

function refusal(text: string): EtcdError {
  return new EtcdError(GrpcCode.FailedPrecondition, text);
}
