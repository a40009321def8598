/**
 * Host names under which the endpoint may be called: etcd's --host-whitelist, against DNS rebinding. Without TLS, an
 * attacker's page whose name is pointed at this endpoint would otherwise count as a page of the endpoint itself.
 *
 * The Host header is parsed here, before the request's URL is read. A runtime builds that URL by concatenating header
 * and path, so a header such as `a/b` would change the path, and two headers would break the URL.
 */
import { GrpcCode } from "../../protocol/errors.ts";
import { statusResponse } from "./errors.ts";

/** "*", or host names without ports. ANY_ADDRESS in the list stands for every IP address. */
export type AllowedHosts = "*" | readonly string[];

/** A parsed Host header. */
export interface Host {
  /** In lower case, without the final dot. An IPv6 address is canonical and in brackets. */
  readonly hostname: string;
  /** Undefined if the header has no port. */
  readonly port: number | undefined;
}

/** Names that no other machine can have. */
export const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** An attacker cannot point an address elsewhere, so any address is safe where the machine's own ones are not known. */
export const ANY_ADDRESS = "<addresses>";

const MAX_NAME_LENGTH = 253;
const MAX_PORT = 65_535;
const AUTHORITY = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,254})(?::(\d{0,5}))?$/i;
/** By the standard no host name has underscores, but names of containers do. */
const NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** URL parsers read a name with such an end as an IPv4 address, in many spellings. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

/**
 * Parses the value of a Host header: a DNS name, a dotted IPv4 address or a bracketed IPv6 address, with an optional
 * port. Returns undefined for anything else, and for two headers, which arrive joined by a comma.
 */
export function hostOf(header: string | null | undefined): Host | undefined {
  const [, name, digits = ""] = AUTHORITY.exec(header ?? "") ?? [];
  const hostname = name === undefined ? undefined : hostnameOf(name.toLowerCase());
  const port = digits === "" ? undefined : Number(digits);
  if (hostname === undefined || (port !== undefined && port > MAX_PORT)) return undefined;
  return { hostname, port };
}

/** Returns the host of a request: from its Host header, or from its URL if the runtime created the request. */
export function requestHost(request: Request): Host | undefined {
  const header = request.headers.get("host");
  if (header !== null) return hostOf(header);
  const [, authority] = /^https?:\/\/([^/?#\\]*)/i.exec(request.url) ?? [];
  return hostOf(authority);
}

/** For a request whose Host header `hostOf` rejects. */
export function badHost(): Response {
  return statusResponse(400, GrpcCode.InvalidArgument, "the Host header is not one host name");
}

/** Parses a setting: "*" or an empty text for all, or names separated by commas. Throws for anything else. */
export function hostsOf(text: string): AllowedHosts {
  const hosts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return hosts.length === 0 || hosts.includes("*") ? "*" : hosts.map(nameOf);
}

/** As in etcd, checks only where the connection itself does not prove the name. */
export function hostRefusal(request: Request, allowed: AllowedHosts): Response | undefined {
  if (allowed === "*") return undefined;
  const host = requestHost(request);
  if (host === undefined) return badHost();
  const { hostname } = host;
  if (request.url.startsWith("https:") || LOOPBACK.includes(hostname) || allowed.includes(hostname)) return undefined;
  if (allowed.includes(ANY_ADDRESS) && (hostname.startsWith("[") || IPV4.test(hostname))) return undefined;
  const message = `the host ${hostname} is not on the whitelist; use TLS, or add it to HOST_WHITELIST`;
  return statusResponse(421, GrpcCode.PermissionDenied, message);
}

function nameOf(text: string): string {
  if (text === ANY_ADDRESS) return text;
  const host = hostOf(text);
  if (host === undefined || host.port !== undefined) {
    throw new Error(`${JSON.stringify(text)} is no host name; one looks like "my.host", without a port`);
  }
  return host.hostname;
}

function hostnameOf(name: string): string | undefined {
  if (name.startsWith("[")) return canonical(name);
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  if (bare.length > MAX_NAME_LENGTH || !NAME.test(bare)) return undefined;
  if (ENDS_IN_NUMBER.test(bare) && !IPV4.test(bare)) return undefined;
  // Some URL parsers reject a name that begins like this and is not Punycode.
  return bare.includes("xn--") ? canonical(bare) : bare;
}

function canonical(name: string): string | undefined {
  return URL.canParse(`http://${name}/`) ? new URL(`http://${name}/`).hostname : undefined;
}
