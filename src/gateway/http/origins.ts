/**
 * Which web pages may call. etcd lets every page call (`--cors "*"`) and never checks the origin of a WebSocket. With a
 * list, requests of other pages are rejected, because a browser sends them even where CORS then hides the response. A
 * page of the endpoint's own origin may always call, and so may a caller that is not a page.
 *
 * A browser names the page's origin in all requests except the GETs of elements, such as `<img>`, `<script>` and
 * `<iframe>`. For these it reports in Sec-Fetch-Site whether the page is of the same origin. Older browsers, and those
 * that request a page without TLS from another machine, report nothing.
 */
import { GrpcCode } from "../../protocol/errors.ts";
import { statusResponse } from "./errors.ts";
import { hostOf, LOOPBACK } from "./hosts.ts";

/** "*", or origins. ":*" at the end of one stands for any port. */
export type AllowedOrigins = "*" | readonly string[];

export interface OriginPolicy {
  /**
   * Returns undefined if the sender of the request may call, otherwise the rejecting response. Files are public: other
   * sites may link to them, and `frame-ancestors` decides which pages may frame them.
   */
  refusal(request: Request, asksFor?: "data" | "files"): Response | undefined;
  /**
   * Sets the headers that a browser requires to expose the response to a page of `origin`; null: not sent by a page.
   */
  stamp(response: Response, origin: string | null): Response;
}

const ANY_PORT = ":*";

/** Pages of this machine, whichever server they come from. In the form of a setting. */
export const LOOPBACK_ORIGINS: string = ["http", "https"]
  .flatMap((scheme) => LOOPBACK.map((host) => `${scheme}://${host}${ANY_PORT}`))
  .join(",");

/** Parses a setting: "*", or origins separated by commas; an empty text allows only the endpoint's own pages. */
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
      // The response of a WebSocket handshake cannot be changed, and needs no headers.
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
 * Whether an element in a page of another origin requests the response. Following a link is not that: the linking page
 * sees nothing of the response.
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
 * Parses one origin, or one with ":*" for any port, into the form that browsers send. Throws for an origin that no
 * browser sends: such a mistake would go unnoticed.
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
