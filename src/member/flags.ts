/**
 * A member's settings under the names of etcd's flags, as text: variables of a worker, flags of `npm start`, parameters
 * of a room's address. One table lists them all. A value that cannot be parsed is refused at the start, with a message.
 *
 *     npm start -- --max-txn-ops 256      MAX_TXN_OPS = "256"      ?room=planning&max-txn-ops=256
 */
import type { AutoCompactionOptions } from "./options.ts";
import type { MemberOptions } from "./options.ts";
import { BCRYPT_COST_MAX, BCRYPT_COST_MIN } from "../auth/password-hashes.ts";

export interface MemberFlag {
  readonly value: string;
  readonly help: string;
}

/** Name of a member's setting, as etcd calls the flag. */
export type MemberFlagName =
  | "auto-compaction-mode"
  | "auto-compaction-retention"
  | "bcrypt-cost"
  | "max-txn-ops"
  | "max-request-bytes"
  | "max-response-bytes"
  | "quota-backend-bytes"
  | "max-learners"
  | "strict-reconfig-check"
  | "corrupt-check-time"
  | "watch-progress-notify-interval"
  | "max-watchers"
  | "max-concurrent-streams"
  | "max-watch-backlog-bytes"
  | "max-pending-requests"
  | "max-leases"
  | "max-multiplexed-sockets"
  | "max-unfinished-bytes"
  | "max-unread-bytes"
  | "max-pending-requests-per-caller"
  | "max-watchers-per-caller"
  | "max-concurrent-streams-per-caller"
  | "max-leases-per-caller"
  | "max-multiplexed-sockets-per-caller"
  | "max-unfinished-bytes-per-caller"
  | "max-unread-bytes-per-caller"
  | "max-apply-backlog";

export const MEMBER_FLAGS: Readonly<Record<MemberFlagName, MemberFlag>> = {
  "auto-compaction-mode": { value: "MODE", help: "periodic (default) or revision: what the retention counts" },
  "auto-compaction-retention": {
    value: "N",
    help: "history to keep: 30m, 1h (or 1), or a number of revisions; default 0: all of it",
  },
  "bcrypt-cost": { value: "N", help: "what it costs to hash a new password; 4 to 12, default 10" },
  "max-txn-ops": { value: "N", help: "operations of a txn; default 128" },
  "max-request-bytes": { value: "N", help: "one request; default 1572864" },
  "max-response-bytes": {
    value: "N",
    help: "keys and values of one response, except streams; default 64 MiB (edge: 32)",
  },
  "quota-backend-bytes": { value: "N", help: "what is stored; default 0: 2 GiB; -1: no limit" },
  "max-learners": { value: "N", help: "learners that operators may add; default 1" },
  "strict-reconfig-check": { value: "BOOL", help: "whether changes of members need a healthy quorum; default true" },
  "corrupt-check-time": { value: "TIME", help: "time between two comparisons of all members' data; default 0: none" },
  "watch-progress-notify-interval": { value: "TIME", help: "time between two progress notifications; default 10m" },
  "max-watchers": { value: "N", help: "watches of one member; default 12500" },
  "max-concurrent-streams": { value: "N", help: "streams open at one member; default 20000" },
  "max-watch-backlog-bytes": { value: "N", help: "what waits for one slow reader of watches; default 4194304" },
  "max-pending-requests": { value: "N", help: "requests of one member that wait for a response; default 20000" },
  "max-leases": { value: "N", help: "leases granted through one member; default 100000" },
  "max-multiplexed-sockets": { value: "N", help: "WebSockets of `quorate grpc` at one member; default 256" },
  "max-unfinished-bytes": { value: "N", help: "of requests that have not arrived whole; default 33554432" },
  "max-unread-bytes": { value: "N", help: "sent over WebSockets and perhaps not read (workerd); default 67108864" },
  "max-pending-requests-per-caller": { value: "N", help: "of one user or address; default: four fifths" },
  "max-watchers-per-caller": { value: "N", help: "likewise" },
  "max-concurrent-streams-per-caller": { value: "N", help: "likewise" },
  "max-leases-per-caller": { value: "N", help: "likewise" },
  "max-multiplexed-sockets-per-caller": { value: "N", help: "likewise" },
  "max-unfinished-bytes-per-caller": { value: "N", help: "likewise" },
  "max-unread-bytes-per-caller": { value: "N", help: "likewise" },
  "max-apply-backlog": { value: "N", help: "entries committed and not yet applied; default 5000" },
};

export type FlaggedOptions = Pick<
  MemberOptions,
  "autoCompaction" | "bcryptCost" | "cluster" | "corruptCheckMs" | "limits" | "quotaBackendBytes" | "watchProgressMs"
>;

export const MEMBER_FLAG_NAMES: readonly MemberFlagName[] = Object.keys(MEMBER_FLAGS) as MemberFlagName[];

/** Returns the flag's name as a worker's variable and in the environment. */
export function variableOf(flag: MemberFlagName): string {
  return flag.toUpperCase().replaceAll("-", "_");
}

/**
 * Parses the flags. `read` returns a flag's text; undefined or "" if it is not set. Throws an Error with a message for
 * operators.
 */
export function memberOptionsOf(read: (flag: MemberFlagName) => string | undefined): FlaggedOptions {
  const given = <R>(flag: MemberFlagName, parse: (text: string, flag: MemberFlagName) => R): R | undefined => {
    const text = read(flag) ?? "";
    return text === "" ? undefined : parse(text, flag);
  };
  const limits = defined({
    txnOperations: given("max-txn-ops", parsePositive),
    requestBytes: given("max-request-bytes", parsePositive),
    responseBytes: given("max-response-bytes", parsePositive),
    watchers: given("max-watchers", parsePositive),
    watchStreams: given("max-concurrent-streams", parsePositive),
    watchStreamBytes: given("max-watch-backlog-bytes", parsePositive),
    pendingRequests: given("max-pending-requests", parsePositive),
    applyBacklog: given("max-apply-backlog", parsePositive),
    leases: given("max-leases", parsePositive),
    sockets: given("max-multiplexed-sockets", parsePositive),
    unfinishedBytes: given("max-unfinished-bytes", parsePositive),
    unreadBytes: given("max-unread-bytes", parsePositive),
    pendingRequestsPerCaller: given("max-pending-requests-per-caller", parsePositive),
    watchersPerCaller: given("max-watchers-per-caller", parsePositive),
    watchStreamsPerCaller: given("max-concurrent-streams-per-caller", parsePositive),
    leasesPerCaller: given("max-leases-per-caller", parsePositive),
    socketsPerCaller: given("max-multiplexed-sockets-per-caller", parsePositive),
    unfinishedBytesPerCaller: given("max-unfinished-bytes-per-caller", parsePositive),
    unreadBytesPerCaller: given("max-unread-bytes-per-caller", parsePositive),
  });
  const cluster = defined({
    maxLearners: given("max-learners", parsePositive),
    strictReconfigCheck: given("strict-reconfig-check", parseBoolean),
  });
  return {
    limits,
    cluster,
    ...defined({
      bcryptCost: given("bcrypt-cost", bcryptCost),
      quotaBackendBytes: given("quota-backend-bytes", parseInteger),
      corruptCheckMs: given("corrupt-check-time", (text) => durationMs(text)),
      watchProgressMs: given("watch-progress-notify-interval", interval),
      autoCompaction: autoCompaction(read("auto-compaction-mode") ?? "", read("auto-compaction-retention") ?? ""),
    }),
  };
}

/** Parses as etcd does: a bare number is hours or revisions. */
function autoCompaction(modeText: string, retentionText: string): AutoCompactionOptions | undefined {
  const mode = modeText === "" ? "periodic" : modeText;
  if (mode !== "periodic" && mode !== "revision") throw new Error(`unknown auto-compaction-mode "${mode}"`);
  if (retentionText === "") return undefined;
  const isCount = /^[0-9]{1,12}$/.test(retentionText);
  if (mode === "revision" && !isCount) {
    throw new Error(`auto-compaction-retention is a number of revisions, not "${retentionText}"`);
  }
  const retention = isCount ? Number(retentionText) * (mode === "periodic" ? HOUR_MS : 1) : durationMs(retentionText);
  return { mode: retention === 0 ? "off" : mode, retention };
}

const HOUR_MS = 3_600_000;
const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: HOUR_MS,
};

/** Parses a Go duration into milliseconds: `1h30m`, `1.5h`, `300ms`. Throws if it is negative. */
export function durationMs(text: string): number {
  if (text === "0") return 0;
  if (text.length > 64 || !/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new Error(`invalid duration ${JSON.stringify(text)}; one looks like 1h30m`);
  }
  let sumMs = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/(\d+(?:\.\d*)?)([a-zµ]+)/g)) {
    sumMs += Number(amount) * (UNITS_MS[unit] ?? 0);
  }
  return sumMs;
}

/** Long enough that the notifications are no load by themselves. */
function interval(text: string, flag: MemberFlagName): number {
  const ms = durationMs(text);
  if (ms < 100) throw new Error(`${flag} is 100ms or more, not ${text}`);
  return ms;
}

function parseInteger(text: string, flag: MemberFlagName): number {
  const number = Number(text);
  if (!/^-?[0-9]{1,15}$/.test(text)) throw new Error(`${flag} is a whole number, not ${JSON.stringify(text)}`);
  return number;
}

function parsePositive(text: string, flag: MemberFlagName): number {
  const number = parseInteger(text, flag);
  if (number < 1) throw new Error(`${flag} is 1 or more, not ${text}`);
  return number;
}

function bcryptCost(text: string, flag: MemberFlagName): number {
  const cost = parseInteger(text, flag);
  if (cost < BCRYPT_COST_MIN || cost > BCRYPT_COST_MAX) {
    throw new Error(`${flag} is from ${BCRYPT_COST_MIN} to ${BCRYPT_COST_MAX}, not ${text}`);
  }
  return cost;
}

function parseBoolean(text: string, flag: MemberFlagName): boolean {
  if (text !== "true" && text !== "false") throw new Error(`${flag} is true or false, not ${JSON.stringify(text)}`);
  return text === "true";
}

type Defined<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> };

/** Drops values that are not set, so that the defaults apply. */
function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}
