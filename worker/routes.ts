/**
 * Where a request goes. Members are asked for these paths and no others, so what members say to each other cannot be
 * reached from outside, not under `/m/1/` either.
 */
export type Route =
  | { readonly type: "any-member" }
  /** `path` is what the member is asked for; whether there is one of that number, members know (front.ts). */
  | { readonly type: "member"; readonly number: number; readonly path: string }
  | { readonly type: "signalling" }
  | { readonly type: "asset" }
  | { readonly type: "nowhere" };

const ANY_MEMBER: Route = { type: "any-member" };
const MEMBER_PATHS: ReadonlySet<string> = new Set([
  "/health",
  "/livez",
  "/readyz",
  "/version",
  "/metrics",
  "/quorate/status",
  "/kv",
]);
const MEMBER_FOLDERS: readonly string[] = ["/v3/", "/kv/", "/v3beta/", "/livez/", "/readyz/", "/quorate/v1/"];
const ONE_MEMBER = /^\/m\/([^/]*)(\/.*)?$/;

export function routeOf(path: string): Route {
  if (isMemberPath(path)) return ANY_MEMBER;
  if (path.startsWith("/quorate/restore/")) return { type: "member", number: 1, path };
  if (path === "/peerjs" || path.startsWith("/peerjs/")) return { type: "signalling" };
  const one = ONE_MEMBER.exec(path);
  if (one === null) return { type: "asset" };
  const number = /^[1-9]\d{0,4}$/.test(one[1] ?? "") ? Number(one[1]) : 0;
  const rest = one[2] ?? "/";
  if (number < 1 || !isMemberPath(rest)) return { type: "nowhere" };
  return { type: "member", number, path: rest };
}

/** With slashes too many, or the last one missing, they tell where to go. */
const ALMOST_V3 = /^\/+v3(?:\/|$)/;

function isMemberPath(path: string): boolean {
  return MEMBER_FOLDERS.some((folder) => path.startsWith(folder)) || MEMBER_PATHS.has(path) || ALMOST_V3.test(path);
}
