/**
 * What the public may reach, and who of it: one table, asked once, with a normalised path (address.ts). What is not in it
 * is a file of the page or nothing. Members are asked for these paths only, and what members say to each other has no path.
 */

export type Route =
  | { readonly type: "any-member" }
  /** `path` is what the member is asked for; whether there is one of that number, members know (front.ts). */
  | { readonly type: "member"; readonly number: number; readonly path: string }
  | { readonly type: "restore"; readonly step: string }
  | { readonly type: "signalling" }
  | { readonly type: "asset" }
  | { readonly type: "nowhere" };

interface Row {
  /** A folder when it ends in a slash. */
  readonly path: string;
  readonly to: "any-member" | "restore" | "signalling";
}

const TABLE: readonly Row[] = [
  { path: "/v3/", to: "any-member" },
  { path: "/kv/", to: "any-member" },
  { path: "/kv", to: "any-member" },
  { path: "/v3beta/", to: "any-member" },
  { path: "/quorate/v1/", to: "any-member" },
  { path: "/quorate/status", to: "any-member" },
  { path: "/metrics", to: "any-member" },
  { path: "/version", to: "any-member" },
  { path: "/health", to: "any-member" },
  { path: "/livez", to: "any-member" },
  { path: "/livez/", to: "any-member" },
  { path: "/readyz", to: "any-member" },
  { path: "/readyz/", to: "any-member" },
  { path: "/quorate/restore/", to: "restore" },
  { path: "/peerjs", to: "signalling" },
  { path: "/peerjs/", to: "signalling" },
];

const ANY_MEMBER: Route = { type: "any-member" };
/** With slashes too many, or the last one missing, members tell where to go. */
const ALMOST_V3 = /^\/+v3(?:\/|$)/;
const ONE_MEMBER = /^\/m\/([^/]*)(\/.*)?$/;

export function routeOf(path: string): Route {
  const row = rowOf(path);
  if (row?.to === "any-member") return ANY_MEMBER;
  if (row?.to === "restore") return { type: "restore", step: path.slice(row.path.length) };
  if (row?.to === "signalling") return { type: "signalling" };
  const one = ONE_MEMBER.exec(path);
  if (one === null) return { type: "asset" };
  const number = /^[1-9]\d{0,4}$/.test(one[1] ?? "") ? Number(one[1]) : 0;
  const rest = one[2] ?? "/";
  if (number < 1 || rowOf(rest)?.to !== "any-member") return { type: "nowhere" };
  return { type: "member", number, path: rest };
}

function rowOf(path: string): Row | undefined {
  const row = TABLE.find((each) => (each.path.endsWith("/") ? path.startsWith(each.path) : path === each.path));
  return row ?? (ALMOST_V3.test(path) ? TABLE[0] : undefined);
}
