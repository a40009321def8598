/**
 * An answer without what must differ between two servers. The whole list, which the tool's help tells too:
 *
 * - ids of cluster, members; Raft's term and indexes; who leads
 * - tokens; ids and keys that the server chose: compared by the name under which the step keeps them
 * - leases of the server's, which last for a minute, in the list of leases
 * - the seconds that a lease has left (that there are some, is compared), and the order in lists of leases, a lease's keys, alarms
 * - sizes, names and addresses of members, hashes of whole stores
 * - with which error a log-in fails for a user without a password: etcd tells such a user from others
 * - the spaces that protojson puts into its texts at random
 */
import type { Answer } from "./target.ts";

const OWN_FIELDS = new Set([
  ...["cluster_id", "member_id", "raft_term", "leader"],
  ...["raftIndex", "raftTerm", "raftAppliedIndex", "dbSize", "dbSizeInUse", "dbSizeQuota"],
  ...["hash", "memberID", "name", "peerURLs", "clientURLs", "token"],
]);

/** `names` tells by which name a step keeps a value of this server's. */
export function normalAnswer(answer: Answer, path: string, names: ReadonlyMap<string, string>): unknown {
  const { "content-type": type, ...others } = answer.headers;
  if (answer.text.includes(NO_PASSWORD_USER)) return { status: 400, body: AUTH_FAILED };
  // What is not said is JSON, which keeps the recorded answers short; an empty answer says its type, or that it has none.
  const headers = type === "application/json" ? others : { "content-type": "", ...answer.headers };
  const lines = STREAMS.has(path) ? answer.text.split("\n").filter((line) => line !== "") : undefined;
  const body = normal(lines === undefined ? parsed(answer.text) : lines.map(parsed), path, names);
  return Object.keys(headers).length === 0 ? { status: answer.status, body } : { status: answer.status, headers, body };
}

const NO_PASSWORD_USER = "auth: authentication failed, password was given for no password user";
const AUTH_FAILED = { code: 3, message: "etcdserver: authentication failed, invalid user ID or password" };

const STREAMS = new Set(["/v3/lease/keepalive", "/v3/watch", "/v3/election/observe"]);

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function normal(value: unknown, path: string, names: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") return names.get(value) ?? value.replaceAll("\u00a0", " ");
  if (Array.isArray(value)) return value.map((item) => normal(item, path, names));
  if (typeof value !== "object" || value === null) return value;
  const bag: Record<string, unknown> = {};
  for (const name of Object.keys(value).toSorted()) {
    if (OWN_FIELDS.has(name) && !isPartOfTheQuestion(name, path)) continue;
    bag[name] = normal((value as Record<string, unknown>)[name], path, names);
  }
  if (path.endsWith("/lease/timetolive") && typeof bag["TTL"] === "string" && Number(bag["TTL"]) > 0)
    bag["TTL"] = "left";
  if (typeof bag["lease"] === "string") bag["lease"] = idOf({ ID: bag["lease"] });
  if (path.endsWith("/lease/grant") && typeof bag["ID"] === "string") bag["ID"] = idOf(bag);
  const { leases, keys, members, errors, alarms } = bag;
  if (Array.isArray(alarms))
    bag["alarms"] = alarms.toSorted((left, right) => order(JSON.stringify(left), JSON.stringify(right)));
  if (Array.isArray(errors)) bag["errors"] = errors.map(String).toSorted(order);
  if (Array.isArray(members)) bag["members"] = kindsOf(members as Record<string, unknown>[]);
  if (Array.isArray(leases))
    bag["leases"] = leases
      .map(idOf)
      .filter((id) => id !== CHOSEN)
      .toSorted(order);
  if (Array.isArray(keys)) bag["keys"] = keys.toSorted((left, right) => order(String(left), String(right)));
  return bag;
}

/** An election's answer names what the caller named. */
function isPartOfTheQuestion(name: string, path: string): boolean {
  return path.startsWith("/v3/election") && (name === "name" || name === "leader");
}

/** How many there are is not the same here and there; which kinds there are, is. */
function kindsOf(members: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return [...new Set(members.map((member) => JSON.stringify({ ...member, ID: undefined })))].toSorted(order);
}

const CHOSEN = "chosen by the server";

/** Clients of these conversations choose short ids and the longest one; others are of the server's choice. */
function idOf(lease: unknown): string {
  const id = String((lease as { readonly ID?: unknown }).ID);
  return /^[0-9]{10,18}$|^[0-8][0-9]{18}$/.test(id) ? CHOSEN : id;
}

function order(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
