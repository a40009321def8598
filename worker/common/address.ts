/**
 * What a request is addressed to. Its URL is parsed here, once, and everything after this sees the result only: workerd
 * hands over the target as it was sent, so two readers of the raw form can come to two paths.
 */
import { requestHost } from "../../src/gateway/http/hosts.ts";

export interface Address {
  /** Normalised: without dot segments and backslashes. */
  readonly path: string;
  /** Normalised, without a fragment. */
  readonly url: string;
  readonly search: string;
}

/**
 * URLs that a parser leaves as they are: segments of plain characters without a dot, and a plain query. Most requests
 * have such a one, and a parser costs more than everything else on their way.
 */
const PLAIN = /^https?:\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]+)?((?:\/[A-Za-z0-9_~-]+)+)(\?[A-Za-z0-9_~.=&-]+)?$/;

/** Undefined when the Host header names no host, or more than one: then the URL says nothing that can be relied on. */
export function addressOf(request: Request): Address | undefined {
  if (requestHost(request) === undefined) return undefined;
  const plain = PLAIN.exec(request.url);
  if (plain !== null) return { path: plain[1] ?? "/", url: request.url, search: plain[2] ?? "" };
  if (!URL.canParse(request.url)) return undefined;
  const url = new URL(request.url);
  url.hash = "";
  return { path: url.pathname, url: url.href, search: url.search };
}

/** The same address below another path, which is a public one as it stands. */
export function withPath(address: Address, path: string): Address {
  const url = new URL(address.url);
  url.pathname = path;
  return { path: url.pathname, url: url.href, search: url.search };
}

/** What is asked for below a prefix, which ends in a slash; undefined for what is not below it. */
export function belowPrefix(address: Address, prefix: string): Address | undefined {
  if (prefix === "/") return address;
  return address.path.startsWith(prefix) ? withPath(address, address.path.slice(prefix.length - 1)) : undefined;
}

/** The request as everybody after the router sees it. */
export function addressed(request: Request, { url }: Address): Request {
  return request.url === url ? request : new Request(url, request);
}

/** Of a URL that an Address holds: there is nothing left to parse. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}
