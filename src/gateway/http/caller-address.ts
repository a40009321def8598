/**
 * Where a request came from, as the platform saw it; never what the client says of itself.
 *
 * workerd by itself tells the other end of the connection in `request.cf.clientIp`, and passes the header
 * CF-Connecting-IP on as the client wrote it. Cloudflare writes that header itself, over what the client wrote, and tells
 * in `request.cf` which of its places answers. No client can write to `request.cf`.
 */

/** A request of Node's or of a browser has no `cf`. */
type AnyRequest = Pick<Request, "headers"> & { readonly cf?: unknown };

/** Undefined where the platform does not tell. */
export function callerAddress(request: AnyRequest): string | undefined {
  const { cf } = request;
  if (typeof cf !== "object" || cf === null) return undefined;
  if ("clientIp" in cf) return typeof cf.clientIp === "string" ? cf.clientIp : undefined;
  return "colo" in cf ? (request.headers.get("cf-connecting-ip") ?? undefined) : undefined;
}
