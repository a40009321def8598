/**
 * The address of a caller as the platform sees it, never as the client claims it. It is the caller's network
 * (caller-key.ts), without a port: each connection has another port, and an IPv6 caller has many addresses, and none of
 * that may make another caller.
 *
 * workerd alone exposes the remote address in `request.cf.clientIp`, and passes the header CF-Connecting-IP on as the
 * client wrote it. Cloudflare overwrites that header, and names the responding data centre in `request.cf`. No client
 * can write to `request.cf`.
 */
import { networkOf } from "../../member/limits/caller-key.ts";

/** Requests in Node and in browsers have no `cf`. */
type AnyRequest = Pick<Request, "headers"> & { readonly cf?: unknown };

/** Returns undefined if the platform does not expose the address. */
export function callerAddress(request: AnyRequest): string | undefined {
  const { cf } = request;
  if (typeof cf !== "object" || cf === null) return undefined;
  const address = "clientIp" in cf ? cf.clientIp : "colo" in cf ? request.headers.get("cf-connecting-ip") : undefined;
  return typeof address === "string" ? networkOf(address) : undefined;
}
