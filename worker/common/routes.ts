/**
 * The public routes and who may use them: one table, looked up once, with a normalised path (address.ts). Any other
 * path is a file of the page or unknown. Members serve only these paths; calls between members have no path.
 */

/**
 * Who may use a route.
 *
 * - `everybody`: all callers. It reveals only whether the cluster is healthy, or begins with a proof of its own.
 * - `caller`: while auth is disabled on a closed endpoint, callers with the setup token; otherwise those that
 *   etcd's rules admit.
 * - `owner`: on a closed endpoint, callers with the setup token. With auth enabled there is nothing to do there.
 */
export type Right = "everybody" | "caller" | "owner";

export type Route =
  | { readonly type: "any-member" }
  /** `path` is the path at the member. Only members know whether the number exists (balancer.ts). */
  | { readonly type: "member"; readonly number: number; readonly path: string }
  /** Of all members together. */
  | { readonly type: "metrics" }
  | { readonly type: "restore"; readonly step: string }
  | { readonly type: "backups"; readonly step: string }
  /** Who votes in a room's cluster. */
  | { readonly type: "shape" }
  /** The list of clusters. It belongs to the deployment, so it has no path within a cluster. */
  | { readonly type: "clusters" }
  | { readonly type: "signalling" }
  /** The client as one module: an asset that pages of other origins may load, if the settings admit them. */
  | { readonly type: "script" }
  | { readonly type: "asset" }
  | { readonly type: "nowhere" };

interface Row {
  /** A folder if it ends in a slash. */
  readonly path: string;
  readonly to: "any-member" | "metrics" | "restore" | "backups" | "shape" | "clusters" | "signalling" | "script";
  readonly right: Right;
}

export const PEER_PATH = "/quorate/peer";

const TABLE: readonly Row[] = [
  { path: "/v3/", to: "any-member", right: "caller" },
  { path: "/kv/", to: "any-member", right: "caller" },
  { path: "/kv", to: "any-member", right: "caller" },
  { path: "/v3beta/", to: "any-member", right: "caller" },
  { path: "/quorate/v1/", to: "any-member", right: "caller" },
  { path: "/quorate/status", to: "any-member", right: "caller" },
  { path: "/metrics", to: "metrics", right: "caller" },
  { path: "/version", to: "any-member", right: "caller" },
  { path: "/health", to: "any-member", right: "everybody" },
  { path: "/livez", to: "any-member", right: "everybody" },
  { path: "/livez/", to: "any-member", right: "everybody" },
  { path: "/readyz", to: "any-member", right: "everybody" },
  { path: "/readyz/", to: "any-member", right: "everybody" },
  /** WebSockets of a room's tabs, which prove that they belong to it, and who they are (src/transport/socket/socket-greeting.ts). */
  { path: PEER_PATH, to: "any-member", right: "everybody" },
  { path: "/quorate/restore/", to: "restore", right: "owner" },
  { path: "/quorate/backups/", to: "backups", right: "owner" },
  { path: "/quorate/shape", to: "shape", right: "owner" },
  { path: "/quorate/clusters/", to: "clusters", right: "owner" },
  { path: "/peerjs", to: "signalling", right: "caller" },
  { path: "/peerjs/", to: "signalling", right: "caller" },
  { path: "/quorate.js", to: "script", right: "everybody" },
];

const ANY_MEMBER: Route = { type: "any-member" };
/** With superfluous slashes, or without the last one, members redirect. */
const ALMOST_V3 = /^\/+v3(?:\/|$)/;
const ONE_MEMBER = /^\/m\/([^/]*)(\/.*)?$/;

export function routeOf(path: string): Route {
  const row = rowOf(path);
  if (row?.to === "any-member") return ANY_MEMBER;
  if (row?.to === "metrics") return { type: "metrics" };
  if (row?.to === "restore") return { type: "restore", step: path.slice(row.path.length) };
  if (row?.to === "backups") return { type: "backups", step: path.slice(row.path.length) };
  if (row?.to === "shape") return { type: "shape" };
  if (row?.to === "clusters") return { type: "clusters" };
  if (row?.to === "signalling") return { type: "signalling" };
  if (row?.to === "script") return { type: "script" };
  const one = ONE_MEMBER.exec(path);
  if (one === null) return { type: "asset" };
  const number = /^[1-9]\d{0,4}$/.test(one[1] ?? "") ? Number(one[1]) : 0;
  const rest = one[2] ?? "/";
  const to = rowOf(rest)?.to;
  if (number < 1 || (to !== "any-member" && to !== "metrics")) return { type: "nowhere" };
  return { type: "member", number, path: rest };
}

/** The right for a path of a member. A path in no row is the owner's, and gets "not found". */
export function rightOf(path: string): Right {
  return rowOf(path)?.right ?? "owner";
}

function rowOf(path: string): Row | undefined {
  const row = TABLE.find((each) => (each.path.endsWith("/") ? path.startsWith(each.path) : path === each.path));
  return row ?? (ALMOST_V3.test(path) ? TABLE[0] : undefined);
}
