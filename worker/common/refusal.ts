/** The response of a member that cannot serve, or of the worker on its behalf. */
import type { ProblemCode } from "../../src/member/api/services.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { UNAVAILABLE_HEADER } from "./internal-headers.ts";

export interface Reason {
  readonly code: ProblemCode;
  readonly text: string;
}

/** The text that etcd logs when a removed member starts. */
export const REMOVED: Reason = {
  code: "removed",
  text: "the member has been permanently removed from the cluster",
};

/** What members say of a cluster that is not in the registry any more. */
export const DELETED: Reason = { code: "deleted", text: "the cluster was deleted" };

export const errDeleted: EtcdError = new EtcdError(GrpcCode.NotFound, DELETED.text);

/** Tabs are members of a room only. */
export const errNoRoom: EtcdError = new EtcdError(
  GrpcCode.FailedPrecondition,
  "this cluster is no room: all its members are objects",
);

/** `name` is how the message calls the member. */
export function refusal(number: number, { code, text }: Reason, name: string = String(number)): Response {
  if (code === "deleted") {
    return Response.json({ code: 5, message: text }, { status: 404, headers: { [UNAVAILABLE_HEADER]: code } });
  }
  const message = `member ${name} cannot serve: ${text}`;
  const body = { code: 14, message, health: "false", reason: text, problem: { code, text } };
  return Response.json(body, { status: 503, headers: { [UNAVAILABLE_HEADER]: code } });
}
