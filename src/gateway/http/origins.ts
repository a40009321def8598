/**
 * Which web pages may call. etcd lets every page call (`--cors "*"`) and never looks at the origin of a WebSocket; with
 * a list, ours refuses the pages that are not on it, because a browser sends their requests even where CORS then
 * hides the answer. A page of the endpoint's own origin may always call, and so may whatever is not a page.
 *
 * A browser names the page's origin in all requests but the GETs of elements, such as `<img>`, `<script>` and `<iframe>`.
 * Of these it says in Sec-Fetch-Site whether the page is of the same origin; older browsers, and those that are asked for
 * a page without TLS from another machine, say nothing.
 */
import { GrpcCode } from "../../protocol/errors.ts";
import { statusResponse } from "./errors.ts";
import { hostOf, LOOPBACK } from "./hosts.ts";

/** "*", or origins; ":*" at the end of one stands for any port. */
export type AllowedOrigins = "*" | readonly string[];

export interface OriginPolicy {
  /**
   * Undefined when whoever sent the request may call; else the refusal. Files are public: other sites may link to them,
   * and what frames a page is for `frame-ancestors` to decide.
   */
  refusal(request: Request, asksFor?: "data" | "files"): Response | undefined;
  /** Sets what a browser wants to see before it hands the response to a page of `origin`; null for no page. */
  stamp(response: Response, origin: string | null): Response;
}

const ANY_PORT = ":*";

/** Pages of this machine, whatever serves them. As a setting. */
export const LOOPBACK_ORIGINS: string = ["http", "https"]
  .flatMap((scheme) => LOOPBACK.map((host) => `${scheme}://${host}${ANY_PORT}`))
  .join(",");

/** From a setting: "*", or origins separated by commas; nothing for the endpoint's own pages only. */
export function originsOf(text: string): AllowedOrigins {
  const origins = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return origins.includes("*") ? "*" : origins.map(originOf);
}

export function originPolicy(allowed: AllowedOrigins): OriginPolicy {
  return {
    refusal(request, asksFor = "data") {
      if (allowed === "*") return undefined;
      const origin = request.headers.get("origin");
      if (origin === null) return asksFor === "data" && isEmbedding(request.headers) ? embeddingRefusal() : undefined;
      if (isListed(allowed, origin) || origin === new URL(request.url).origin) return undefined;
      return statusResponse(403, GrpcCode.PermissionDenied, `pages of ${origin} may not call this endpoint`);
    },
    stamp(response, origin) {
      // A WebSocket's answer is not ours to change, and has no need of it.
      if (response.status === 101) return response;
      const { headers } = response;
      if (origin === null) {
        headers.delete("access-control-allow-origin");
        return response;
      }
      headers.set("access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE");
      if (!headers.has("access-control-allow-headers")) {
        headers.set("access-control-allow-headers", "accept, content-type, authorization");
      }
      headers.set("access-control-allow-origin", allowed === "*" ? "*" : origin);
      if (allowed !== "*") headers.append("vary", "Origin");
      return response;
    },
  };
}

/**
 * Whether an element of a page of another origin wants the response. A link that somebody follows is none: the page that
 * has it sees nothing of what it shows.
 */
function isEmbedding(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return false;
  return headers.get("sec-fetch-mode") !== "navigate" || headers.get("sec-fetch-dest") !== "document";
}

function embeddingRefusal(): Response {
  return statusResponse(
    403,
    GrpcCode.PermissionDenied,
    "pages of other origins may not embed this; fetch it with CORS",
  );
}

function isListed(allowed: readonly string[], origin: string): boolean {
  if (origin.endsWith(ANY_PORT)) return false;
  if (allowed.includes(origin)) return true;
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  return url?.origin === origin && allowed.includes(`${url.protocol}//${url.hostname}${ANY_PORT}`);
}

/**
 * Parses one origin, or one with ":*" for any port, into what browsers write. Throws for what no browser would ever write,
 * which is a mistake that would go unnoticed.
 */
export function originOf(text: string): string {
  const isAnyPort = text.endsWith(ANY_PORT);
  const exact = isAnyPort ? text.slice(0, -ANY_PORT.length) : text;
  const url = URL.canParse(exact) ? new URL(exact) : undefined;
  const isOrigin = url !== undefined && url.origin !== "null" && `${url.pathname}${url.search}${url.hash}` === "/";
  if (
    !isOrigin ||
    hostOf(url.host) === undefined ||
    url.username !== "" ||
    url.password !== "" ||
    (isAnyPort && url.port !== "")
  ) {
    throw new Error(`${JSON.stringify(text)} is no origin; one looks like "https://app.example"`);
  }
  return isAnyPort ? `${url.origin}${ANY_PORT}` : url.origin;
}
