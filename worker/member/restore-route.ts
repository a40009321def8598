/** The way of a restore's steps from HTTP to the member that decides; see restore.ts. */
import { readBytes } from "../../src/gateway/http/body.ts";
import { callContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorResponse, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { unfinishedOf } from "../calls/front-callers.ts";
import type { ClientStep, StepAnswer } from "./restore.ts";

/** Of a piece; the client's are far smaller. */
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

/** The member's object, as far as it is needed here. */
interface Decider {
  restoreRefusal(context: CallContext): Promise<StepAnswer | ErrorParts | undefined>;
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
  const refusal = await decider.restoreRefusal(context);
  if (refusal !== undefined) return responseTo(refusal);
  const chunk = step === "chunk" ? await chunkOf(request, context) : new Uint8Array(0);
  if (chunk instanceof Response) return chunk;
  const asked = stepOf(step, query, chunk);
  if (asked === undefined) return refused(404, GrpcCode.NotFound, "Not Found");
  return responseTo(await decider.restore(asked, context));
}

function responseTo(answer: StepAnswer | ErrorParts): Response {
  return "challenge" in answer ? responseOf(answer) : Response.json(answer.body, { status: answer.status });
}

/** Counts for its sender until it is whole, and is given up when it stops, as every body. */
async function chunkOf(request: Request, { address }: CallContext): Promise<Uint8Array | Response> {
  const tooLarge = (): Response =>
    refused(400, GrpcCode.InvalidArgument, `a piece is larger than ${CHUNK_BYTES_MAX} bytes`);
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (!(declared <= CHUNK_BYTES_MAX)) return tooLarge();
  try {
    return (await readBytes(request, CHUNK_BYTES_MAX, unfinishedOf(address))) ?? tooLarge();
  } catch (error) {
    return errorResponse(error);
  }
}

function stepOf(step: string, query: URLSearchParams, chunk: Uint8Array): ClientStep | undefined {
  const restore = query.get("restore") ?? "";
  switch (step) {
    case "begin":
      return { type: "begin" };
    case "chunk":
      return { type: "chunk", restore, piece: query.get("piece") ?? "", chunk };
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
