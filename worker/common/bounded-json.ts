/** The small JSON object of a request's body. */
import { inTime } from "../../src/gateway/http/body.ts";

const BODY_BYTES_MAX = 4096;

/** Returns undefined for a body that is none, is too large, or comes too slowly. */
export async function boundedJson(request: Request): Promise<Record<string, unknown> | undefined> {
  const declared = Number(request.headers.get("content-length") ?? NaN);
  if (!(declared <= BODY_BYTES_MAX)) return undefined;
  try {
    const parsed: unknown = JSON.parse(await inTime(request.text()));
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
