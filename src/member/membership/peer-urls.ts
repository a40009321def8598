/**
 * Validates peer URLs as etcd does: a scheme of http, https, unix or unixs, and for the first two a host with a port
 * and no path. Parses like Go's net/url, which is stricter than a browser in some points (a port is digits, a host has
 * no space) and more lenient in others (`http://:1` and `http://a:` have a port).
 */
import { utf8Encode } from "../../base/utf8.ts";
import { errMemberBadURLs } from "../../protocol/errors.ts";

/** More than any cluster has. A request may be 1.5 MiB. */
const URLS_MAX = 100;

/**
 * Returns the URLs sorted and normalized as etcd does. Throws `errMemberBadURLs` if there is none or one is invalid.
 */
export function parsePeerUrls(texts: readonly string[]): readonly string[] {
  if (texts.length === 0) throw errMemberBadURLs;
  return checkPeerUrls(texts).sort();
}

/**
 * Returns the URLs normalized. Throws `errMemberBadURLs` if one is invalid. etcd does not check here, and all its
 * members then crash on a URL that cannot be parsed.
 */
export function checkPeerUrls(texts: readonly string[]): string[] {
  if (texts.length > URLS_MAX) throw errMemberBadURLs;
  return texts.map((text) => {
    const url = normalized(text.trim());
    if (url === undefined) throw errMemberBadURLs;
    return url;
  });
}

const PARTS = /^(https?|unixs?):([^?#]*)(\?[^#]*)?(#.*)?$/isu;
const USER = /^[\w\-.:~!$&'()*+,;=%@]*$/u;
/** Characters of a host that Go accepts: these, and everything that is not ASCII. */
const HOST = /^(?:[\w\-.~!$&'()*+,;=:[\]<>"]|[^\p{ASCII}]|%[89A-Fa-f][0-9A-Fa-f])*$/u;
const PORT = /^(?::\d*)?$/u;
const HOST_AND_PORT = /^(?:\[[^[\]]*\]|[^[\]:]*):\d*$/u;

function normalized(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f]/u.test(text)) return undefined;
  const parts = PARTS.exec(text);
  if (parts === null) return undefined;
  const [, written = "", rest = "", query = "", fragment = ""] = parts;
  const scheme = written.toLowerCase();
  const isHttp = scheme.startsWith("http");
  if (!rest.startsWith("//")) return isHttp ? undefined : `${scheme}:${rest}${query}${fragment}`;
  const slash = rest.indexOf("/", 2);
  const authority = slash === -1 ? rest.slice(2) : rest.slice(2, slash);
  const path = slash === -1 ? "" : rest.slice(slash);
  const at = authority.lastIndexOf("@");
  const host = authority.slice(at + 1);
  if (!USER.test(authority.slice(0, at + 1)) || !isHost(host)) return undefined;
  if (isHttp && (path !== "" || !HOST_AND_PORT.test(host))) return undefined;
  return `${scheme}://${authority.slice(0, at + 1)}${escaped(host)}${escaped(path)}${query}${fragment}`;
}

function isHost(host: string): boolean {
  if (!HOST.test(host)) return false;
  if (!host.startsWith("[")) return PORT.test(host.includes(":") ? host.slice(host.lastIndexOf(":")) : "");
  const end = host.lastIndexOf("]");
  return end !== -1 && PORT.test(host.slice(end + 1));
}

function escaped(text: string): string {
  return text.replace(/[^\p{ASCII}]+/gu, (some) =>
    [...utf8Encode(some)].map((byte) => `%${byte.toString(16).toUpperCase()}`).join(""),
  );
}
