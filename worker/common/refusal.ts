/** What a member that cannot serve answers, or the worker in its name. */
import type { ProblemCode } from "../../src/member/api/services.ts";
import { UNAVAILABLE_HEADER } from "./internal-headers.ts";

export interface Reason {
  readonly code: ProblemCode;
  readonly text: string;
}

/** etcd's words, as its log has them when such a member starts. */
export const REMOVED: Reason = {
  code: "removed",
  text: "the member has been permanently removed from the cluster",
};

export function refusal(number: number, { code, text }: Reason): Response {
  const message = `member ${number} cannot serve: ${text}`;
  const body = { code: 14, message, health: "false", reason: text, problem: { code, text } };
  return Response.json(body, { status: 503, headers: { [UNAVAILABLE_HEADER]: code } });
}
