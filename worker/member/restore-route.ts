/** The way of a restore's steps from HTTP to the member that decides; see restore.ts. */
import { callContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { ClientStep, StepAnswer } from "./restore.ts";

/** Of a piece; the client's are far smaller. */
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

/** The member's object, as far as it is needed here. */
interface Decider {
  refusal(context: CallContext): Promise<ErrorParts | undefined>;
  restore(step: ClientStep, context: CallContext): Promise<StepAnswer | ErrorParts>;
}

/** Has the step taken, or answers what is wrong with the request. */
export async function restoreAnswer(
  step: string,
  query: URLSearchParams,
  request: Request,
  decider: Decider,
): Promise<Response> {
  if (request.method !== "POST") return refused(405, GrpcCode.Unimplemented, "Method Not Allowed");
  // No page has any business here.
  if (request.headers.has("origin")) return refused(403, GrpcCode.PermissionDenied, "pages may not restore");
  const context = callContext(request);
  // Before a body of megabytes is read.
  const refusal = await decider.refusal(context);
  if (refusal !== undefined) return responseOf(refusal);
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (step === "chunk" && !(declared <= CHUNK_BYTES_MAX)) {
    return refused(400, GrpcCode.InvalidArgument, `a piece is larger than ${CHUNK_BYTES_MAX} bytes`);
  }
  const asked = stepOf(step, query, async () => new Uint8Array(await request.arrayBuffer()));
  if (asked === undefined) return refused(404, GrpcCode.NotFound, "Not Found");
  const answer = await decider.restore(await asked, context);
  return "challenge" in answer ? responseOf(answer) : Response.json(answer.body, { status: answer.status });
}

function stepOf(
  step: string,
  query: URLSearchParams,
  chunk: () => Promise<Uint8Array>,
): Promise<ClientStep> | ClientStep | undefined {
  const restore = query.get("restore") ?? "";
  switch (step) {
    case "begin":
      return { type: "begin" };
    case "chunk":
      return chunk().then((bytes) => ({ type: "chunk", restore, piece: query.get("piece") ?? "", chunk: bytes }));
    case "commit":
      return { type: "commit", restore, sha256: query.get("sha256") ?? "" };
    case "abort":
      return { type: "abort", restore };
    default:
      return undefined;
  }
}

function refused(status: number, code: GrpcCode, message: string): Response {
  return Response.json({ code, message }, { status });
}
