/**
 * What browsers are told about every response, whatever it is: a file of the page, an API's answer, an error. The page may
 * load nothing but its own files, and nobody may frame it; all else is data, which a browser shows, but never runs.
 *
 * Strict-Transport-Security is not among them: only whoever operates the endpoint's name can say whether all of it is TLS.
 */
import { originOf } from "./origins.ts";

export interface SecurityHeadersOptions {
  /** Who may frame the page: sources of `frame-ancestors`, as `frameAncestorsOf` makes them. */
  readonly frameAncestors: string;
  /** Whether pages of other origins may load responses without CORS, as by `<img>`. */
  readonly isEmbeddable: boolean;
}

const NOBODY = "'none'";
const SELF = "'self'";

/** Without options: what holds when the settings cannot be read. */
const STRICTEST: SecurityHeadersOptions = { frameAncestors: NOBODY, isEmbeddable: false };

/** What the page needs none of. WebRTC does without camera and microphone, too. */
const PERMISSIONS = [
  "accelerometer",
  "camera",
  "display-capture",
  "geolocation",
  "gyroscope",
  "hid",
  "microphone",
  "midi",
  "payment",
  "serial",
  "usb",
]
  .map((name) => `${name}=()`)
  .join(", ");

/** From a setting: "*" for everybody, "self", origins separated by commas, or nothing for nobody. Throws for anything else. */
export function frameAncestorsOf(text: string): string {
  const sources = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "" && part !== NOBODY);
  if (sources.includes("*")) return "*";
  const named = sources.map((source) => (source === "self" || source === SELF ? SELF : originOf(source)));
  return named.length === 0 ? NOBODY : named.join(" ");
}

/**
 * Returns the response with these headers, a copy where it came from elsewhere and cannot be changed. A WebSocket's
 * handshake is returned as it is.
 */
export function withSecurityHeaders(
  response: Response,
  { frameAncestors, isEmbeddable }: SecurityHeadersOptions = STRICTEST,
): Response {
  if (response.status === 101) return response;
  const secured = new Response(response.body, response);
  const { headers } = secured;
  const isPage = headers.get("content-type")?.startsWith("text/html") === true;
  headers.set("content-security-policy", `${isPage ? PAGE : DATA}; frame-ancestors ${frameAncestors}`);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-resource-policy", isEmbeddable ? "cross-origin" : "same-origin");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-content-type-options", "nosniff");
  if (isPage) headers.set("permissions-policy", PERMISSIONS);
  return secured;
}

const DATA = "default-src 'none'";
const PAGE = [
  DATA,
  "script-src 'self'",
  "style-src 'self'",
  // The icon is in the page itself.
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  // The room's name is asked for by a form.
  "form-action 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");
