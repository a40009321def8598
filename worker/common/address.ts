/**
 * The address of a request. Its URL is parsed here, once, and all later code uses the result: workerd delivers the
 * target as it was sent, so two parsers of the raw form could find two different paths.
 */
import { requestHost } from "../../src/gateway/http/hosts.ts";

export interface Address {
  /** Normalised: no dot segments, no backslashes. */
  readonly path: string;
  /** Normalised, without a fragment. */
  readonly url: string;
  readonly search: string;
}

/**
 * URLs that a parser returns unchanged: segments of plain characters without a dot, and a plain query. Most requests
 * have such a URL, and parsing costs more than all other steps of routing.
 */
const PLAIN = /^https?:\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]+)?((?:\/[A-Za-z0-9_~-]+)+)(\?[A-Za-z0-9_~.=&-]+)?$/;

/** Returns undefined if the Host header names no host, or several: the URL is unreliable then. */
export function addressOf(request: Request): Address | undefined {
  if (requestHost(request) === undefined) return undefined;
  const plain = PLAIN.exec(request.url);
  if (plain !== null) return { path: plain[1] ?? "/", url: request.url, search: plain[2] ?? "" };
  if (!URL.canParse(request.url)) return undefined;
  const url = new URL(request.url);
  url.hash = "";
  return { path: url.pathname, url: url.href, search: url.search };
}

/** Returns the same address with another path, which must be normalised. */
export function withPath(address: Address, path: string): Address {
  const url = new URL(address.url);
  url.pathname = path;
  return { path: url.pathname, url: url.href, search: url.search };
}

/** Returns the address below a prefix that ends in a slash; undefined if it is not below it. */
export function belowPrefix(address: Address, prefix: string): Address | undefined {
  if (prefix === "/") return address;
  return address.path.startsWith(prefix) ? withPath(address, address.path.slice(prefix.length - 1)) : undefined;
}

/** Returns the request with the normalised URL, for all code after the router. */
export function addressed(request: Request, { url }: Address): Request {
  return request.url === url ? request : new Request(url, request);
}

/** Returns the path of an Address's URL, without parsing it again. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}
