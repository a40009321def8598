/**
 * What the public may reach, and who of it: one table, asked once, with a normalised path (address.ts). What is not in it
 * is a file of the page or nothing. Members are asked for these paths only, and what members say to each other has no path.
 */

/**
 * Who may use a route.
 *
 * - `everybody`: it says nothing of the cluster but whether it is well.
 * - `caller`: on an endpoint that is closed and has no auth enabled, whoever shows the setup token; else who etcd's rules let.
 * - `owner`: on an endpoint that is closed, whoever shows the setup token; with auth enabled there is nothing to do there.
 */
export type Right = "everybody" | "caller" | "owner";

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
  readonly right: Right;
}

const TABLE: readonly Row[] = [
  { path: "/v3/", to: "any-member", right: "caller" },
  { path: "/kv/", to: "any-member", right: "caller" },
  { path: "/kv", to: "any-member", right: "caller" },
  { path: "/v3beta/", to: "any-member", right: "caller" },
  { path: "/quorate/v1/", to: "any-member", right: "caller" },
  { path: "/quorate/status", to: "any-member", right: "caller" },
  { path: "/metrics", to: "any-member", right: "caller" },
  { path: "/version", to: "any-member", right: "caller" },
  { path: "/health", to: "any-member", right: "everybody" },
  { path: "/livez", to: "any-member", right: "everybody" },
  { path: "/livez/", to: "any-member", right: "everybody" },
  { path: "/readyz", to: "any-member", right: "everybody" },
  { path: "/readyz/", to: "any-member", right: "everybody" },
  { path: "/quorate/restore/", to: "restore", right: "owner" },
  { path: "/peerjs", to: "signalling", right: "caller" },
  { path: "/peerjs/", to: "signalling", right: "caller" },
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

/** Of a path that a member is asked for. What is in no row is the owner's, and he is told that there is nothing. */
export function rightOf(path: string): Right {
  return rowOf(path)?.right ?? "owner";
}

function rowOf(path: string): Row | undefined {
  const row = TABLE.find((each) => (each.path.endsWith("/") ? path.startsWith(each.path) : path === each.path));
  return row ?? (ALMOST_V3.test(path) ? TABLE[0] : undefined);
}
