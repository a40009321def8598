/**
 * Under which names the endpoint lets itself be called: etcd's --host-whitelist, against DNS rebinding. A page whose own
 * name is made to point here would otherwise pass for a page of the endpoint itself, wherever there is no TLS to tell.
 */
import { GrpcCode } from "../protocol/errors.ts";
import { statusResponse } from "./errors.ts";

/** "*", or host names without ports. */
export type AllowedHosts = "*" | readonly string[];

/** Names that nobody else can have. */
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** From a setting: "*" or nothing for all, or names separated by commas. */
export function hostsOf(text: string): AllowedHosts {
  const hosts = text
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== "");
  return hosts.length === 0 || hosts.includes("*") ? "*" : hosts;
}

/** As etcd, asks only where the connection itself does not prove the name. */
export function hostRefusal(request: Request, allowed: AllowedHosts): Response | undefined {
  if (allowed === "*") return undefined;
  const { protocol, hostname } = new URL(request.url);
  if (protocol === "https:" || LOOPBACK.includes(hostname) || allowed.includes(hostname)) {
    return undefined;
  }
  const message = `the host ${hostname} is not on the whitelist; use TLS, or add it to HOST_WHITELIST`;
  return statusResponse(421, GrpcCode.PermissionDenied, message);
}
