/**
 * Which web pages may call. etcd lets every page call (`--cors "*"`) and never looks at the origin of a WebSocket; with
 * a list, ours refuses the pages that are not on it, because a browser sends their requests even where CORS then
 * hides the answer. A page of the endpoint's own origin may always call, and so may whatever is not a page.
 */
import { GrpcCode } from "../protocol/errors.ts";
import { statusResponse } from "./errors.ts";

export type AllowedOrigins = "*" | readonly string[];

export interface OriginPolicy {
  /** Undefined when the page may call; else the refusal. */
  refusal(request: Request, origin: string): Response | undefined;
  /** Adds what a browser wants to see before it hands the answer to the page. */
  stamp(response: Response, origin: string): Response;
}

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
    refusal(request, origin) {
      if (allowed === "*" || allowed.includes(origin) || origin === new URL(request.url).origin) return undefined;
      return statusResponse(403, GrpcCode.PermissionDenied, `pages of ${origin} may not call this endpoint`);
    },
    stamp(response, origin) {
      // A WebSocket's answer is not ours to change, and has no need of it.
      if (response.status === 101) return response;
      const { headers } = response;
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

/** As a browser writes it; what no browser would ever write is a mistake that would go unnoticed. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.origin === "null" || `${url.pathname}${url.search}${url.hash}` !== "/") {
    throw new Error(`${JSON.stringify(text)} is no origin; one looks like "https://app.example"`);
  }
  return url.origin;
}
