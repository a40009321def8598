/**
 * Under which names the endpoint lets itself be called: etcd's --host-whitelist, against DNS rebinding. A page whose own
 * name is made to point here would otherwise pass for a page of the endpoint itself, wherever there is no TLS to tell.
 *
 * A Host header is parsed here, before anything is read from the request's URL. A runtime builds that URL by pasting the
 * header in front of the path, so a header such as `a/b` would move the path, and two headers would break the URL.
 */
import { GrpcCode } from "../../protocol/errors.ts";
import { statusResponse } from "./errors.ts";

/** "*", or host names without ports; ANY_ADDRESS among them stands for every IP address. */
export type AllowedHosts = "*" | readonly string[];

/** What a Host header names. */
export interface Host {
  /** In lower case, without the final dot; an IPv6 address is canonical and stands in brackets. */
  readonly hostname: string;
  /** Undefined when the header gives none. */
  readonly port: number | undefined;
}

/** Names that nobody else can have. */
export const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Nobody can make an address point elsewhere, so it is safe where the machine's own addresses are not known. */
export const ANY_ADDRESS = "<addresses>";

const MAX_NAME_LENGTH = 253;
const MAX_PORT = 65_535;
const AUTHORITY = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,254})(?::(\d{0,5}))?$/i;
/** Underscores are in no host name by the standard, but in those of containers. */
const NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** URL parsers read a name that ends so as an IPv4 address, in many spellings. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

/**
 * Parses the value of a Host header: a DNS name, a dotted IPv4 address or a bracketed IPv6 address, and a port where there
 * is one. Undefined when it is anything else, or more than one: two headers arrive joined by a comma.
 */
export function hostOf(header: string | null | undefined): Host | undefined {
  const [, name, digits = ""] = AUTHORITY.exec(header ?? "") ?? [];
  const hostname = name === undefined ? undefined : hostnameOf(name.toLowerCase());
  const port = digits === "" ? undefined : Number(digits);
  if (hostname === undefined || (port !== undefined && port > MAX_PORT)) return undefined;
  return { hostname, port };
}

/** The host of a request: of its Host header, or of its URL where the runtime made the request itself. */
export function requestHost(request: Request): Host | undefined {
  const header = request.headers.get("host");
  if (header !== null) return hostOf(header);
  const [, authority] = /^https?:\/\/([^/?#\\]*)/i.exec(request.url) ?? [];
  return hostOf(authority);
}

/** Of a request whose Host header `hostOf` does not take. */
export function badHost(): Response {
  return statusResponse(400, GrpcCode.InvalidArgument, "the Host header is not one host name");
}

/** From a setting: "*" or nothing for all, or names separated by commas. Throws when something else is among them. */
export function hostsOf(text: string): AllowedHosts {
  const hosts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return hosts.length === 0 || hosts.includes("*") ? "*" : hosts.map(nameOf);
}

/** As etcd, asks only where the connection itself does not prove the name. */
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
  // Some URL parsers refuse what begins so and is no Punycode.
  return bare.includes("xn--") ? canonical(bare) : bare;
}

function canonical(name: string): string | undefined {
  return URL.canParse(`http://${name}/`) ? new URL(`http://${name}/`).hostname : undefined;
}
