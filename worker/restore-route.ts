/** The way of a restore's steps from HTTP to the member that decides; see restore.ts. */
import { GrpcCode } from "../src/protocol/errors.ts";
import type { ClientStep, StepAnswer } from "./restore.ts";

/** Of a piece; the client's are far smaller. */
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

/** Asks for the step by `take`, or answers what is wrong with the request. */
export async function restoreAnswer(
  step: string,
  query: URLSearchParams,
  request: Request,
  take: (step: ClientStep) => Promise<StepAnswer>,
): Promise<Response> {
  if (request.method !== "POST") return refused(405, GrpcCode.Unimplemented, "Method Not Allowed");
  // No page has any business here.
  if (request.headers.has("origin")) return refused(403, GrpcCode.PermissionDenied, "pages may not restore");
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (step === "chunk" && !(declared <= CHUNK_BYTES_MAX)) {
    return refused(400, GrpcCode.InvalidArgument, `a piece is larger than ${CHUNK_BYTES_MAX} bytes`);
  }
  const asked = stepOf(step, query, async () => new Uint8Array(await request.arrayBuffer()));
  if (asked === undefined) return refused(404, GrpcCode.NotFound, "Not Found");
  const { status, body } = await take(await asked);
  return Response.json(body, { status });
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
