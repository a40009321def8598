/** HTTP routes for the steps of a restore, which member 1 executes; see restore.ts. */
import { readBytes } from "../../src/gateway/http/body.ts";
import type { OpenShare } from "../../src/gateway/http/caller-limits.ts";
import { callContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorResponse, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { UnfinishedBodies } from "../calls/unfinished-bodies.ts";
import type { ClientStep, StepResponse } from "./restore.ts";

/** Limit of a chunk. The client's chunks are far smaller. */
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

/** The part of the deciding member's object that is used here. */
interface Decider {
  restoreRefusal(context: CallContext): Promise<StepResponse | ErrorParts | undefined>;
  restore(step: ClientStep, context: CallContext): Promise<StepResponse | ErrorParts>;
}

/** Forwards a step, or responds with what is wrong with the request. */
export async function restoreResponse(
  step: string,
  query: URLSearchParams,
  request: Request,
  decider: Decider,
  unfinished: UnfinishedBodies,
): Promise<Response> {
  if (request.method !== "POST") return refused(405, GrpcCode.Unimplemented, "Method Not Allowed");
  // Web pages have no reason to restore.
  if (request.headers.has("origin")) return refused(403, GrpcCode.PermissionDenied, "pages may not restore");
  const context = callContext(request);
  // Checked before a body of megabytes is read.
  const refusal = await decider.restoreRefusal(context);
  if (refusal !== undefined) return responseTo(refusal);
  const chunk = step === "chunk" ? await chunkOf(request, unfinished.of(context.address)) : new Uint8Array(0);
  if (chunk instanceof Response) return chunk;
  const parsed = stepOf(step, query, chunk);
  if (parsed === undefined) return refused(404, GrpcCode.NotFound, "Not Found");
  return responseTo(await decider.restore(parsed, context));
}

function responseTo(result: StepResponse | ErrorParts): Response {
  return "challenge" in result ? responseOf(result) : Response.json(result.body, { status: result.status });
}

/** Like every body, a chunk counts against the sender's budget until it is complete, and is rejected when it stalls. */
async function chunkOf(request: Request, open: OpenShare): Promise<Uint8Array | Response> {
  const tooLarge = (): Response =>
    refused(400, GrpcCode.InvalidArgument, `a piece is larger than ${CHUNK_BYTES_MAX} bytes`);
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (!(declared <= CHUNK_BYTES_MAX)) return tooLarge();
  try {
    return (await readBytes(request, CHUNK_BYTES_MAX, open)) ?? tooLarge();
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
