/**
 * Security headers of every response: a file of the page, a response of the API, an error. The page may load only its
 * own files, and no other page may frame it. Everything else is data, which a browser displays but never executes.
 *
 * Strict-Transport-Security is missing: only the operator of the endpoint's name knows whether all of it uses TLS.
 */
import { JSON_TYPE } from "./errors.ts";
import { originOf } from "./origins.ts";

export interface SecurityHeadersOptions {
  /** Pages that may frame the page: sources of `frame-ancestors`, as `frameAncestorsOf` returns them. */
  readonly frameAncestors: string;
  /** Whether pages of other origins may load responses without CORS, as `<img>` does. */
  readonly isEmbeddable: boolean;
}

const NOBODY = "'none'";
const SELF = "'self'";

/** Without options: used when the settings cannot be read. */
const STRICTEST: SecurityHeadersOptions = { frameAncestors: NOBODY, isEmbeddable: false };

/** Features that the page does not need. WebRTC works without camera and microphone. */
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

/**
 * Parses a setting: "*" for all pages, "self", origins separated by commas, or an empty text for none. Throws for
 * anything else.
 */
export function frameAncestorsOf(text: string): string {
  const sources = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "" && part !== NOBODY);
  if (sources.includes("*")) return "*";
  const named = sources.map((source) => (source === "self" || source === SELF ? SELF : originOf(source)));
  return named.length === 0 ? NOBODY : named.join(" ");
}

/** Responses that were made with their headers. */
const secured = new WeakSet<Response>();
const jsonHeaders = new WeakMap<SecurityHeadersOptions, Headers>();

/** Makes a JSON response that has these headers from the start: setting them one by one costs more than all the rest. */
export function securedJson(body: string, options: SecurityHeadersOptions): Response {
  let headers = jsonHeaders.get(options);
  if (headers === undefined) {
    headers = new Headers({ "content-type": JSON_TYPE });
    setAll(headers, options);
    jsonHeaders.set(options, headers);
  }
  const response = new Response(body, { headers });
  secured.add(response);
  return response;
}

/**
 * Returns the response with these headers, as a copy if it came from elsewhere and cannot be changed. Returns a
 * WebSocket handshake unchanged.
 */
export function withSecurityHeaders(response: Response, options: SecurityHeadersOptions = STRICTEST): Response {
  if (response.status === 101 || secured.has(response)) return response;
  const copy = new Response(response.body, response);
  setAll(copy.headers, options);
  return copy;
}

function setAll(headers: Headers, { frameAncestors, isEmbeddable }: SecurityHeadersOptions): void {
  const isPage = headers.get("content-type")?.startsWith("text/html") === true;
  const isServiceWorker = headers.get(POLICY) === SERVICE_WORKER_POLICY;
  const policy = isPage ? PAGE : isServiceWorker ? SERVICE_WORKER_POLICY : DATA;
  headers.set(POLICY, `${policy}; frame-ancestors ${frameAncestors}`);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-resource-policy", isEmbeddable ? "cross-origin" : "same-origin");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-content-type-options", "nosniff");
  if (isPage) headers.set("permissions-policy", PERMISSIONS);
}

const POLICY = "content-security-policy";
const DATA = "default-src 'none'";
/** A worker has the policy of its script. It loads what it stores, and runs nothing else. */
export const SERVICE_WORKER_POLICY = "default-src 'none'; connect-src 'self'";
const PAGE = [
  DATA,
  "script-src 'self'",
  "style-src 'self'",
  // The icon is inlined in the page.
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  // The page asks for the room's name with a form.
  "form-action 'self'",
  "worker-src 'self'",
  "require-trusted-types-for 'script'",
  // The one by which the page registers its service worker (web/offline/offline.ts).
  "trusted-types quorate-service-worker",
].join("; ");
