/**
 * Identifies callers for counting, and limits what each of them holds of this member. A caller is a user if there is
 * one, otherwise a network address. A caller at its limit is refused; the others go on.
 *
 * A call without an address comes from this very program, as in a tab. It counts in the totals only.
 */
import { errRequestTooManyRequests } from "../../protocol/errors.ts";
import { CallerBudget, type Share } from "./caller-budget.ts";
import { networkOf } from "./caller-key.ts";
import type { MemberLimits } from "../options.ts";
import type { CallContext } from "../api/services.ts";

/** Tokens whose user is remembered. A call with a forgotten one counts by its address once more. */
const TOKENS_MAX = 1_000;

/** The names are those of the metrics. */
export type LimitedKind =
  | "requests"
  | "streams"
  | "watches"
  | "leases"
  | "snapshots"
  | "sockets"
  | "unfinished_bytes"
  | "unread_bytes";

export class Callers {
  readonly budgets: Readonly<Record<LimitedKind, CallerBudget>>;
  readonly #users: Map<string, string> = new Map();

  constructor(limits: MemberLimits) {
    this.budgets = {
      requests: new CallerBudget({ total: limits.pendingRequests, perCaller: limits.pendingRequestsPerCaller }),
      streams: new CallerBudget({ total: limits.watchStreams, perCaller: limits.watchStreamsPerCaller }),
      watches: new CallerBudget({ total: limits.watchers, perCaller: limits.watchersPerCaller }),
      leases: new CallerBudget({ total: limits.leases, perCaller: limits.leasesPerCaller }),
      snapshots: new CallerBudget({ total: SNAPSHOT_READERS, perCaller: SNAPSHOT_READERS / 2, reserved: 1 }),
      sockets: new CallerBudget({ total: limits.sockets, perCaller: limits.socketsPerCaller }),
      unfinished_bytes: new CallerBudget({ total: limits.unfinishedBytes, perCaller: limits.unfinishedBytesPerCaller }),
      unread_bytes: new CallerBudget({ total: limits.unreadBytes, perCaller: limits.unreadBytesPerCaller }),
    };
  }

  /** Returns the key under which a call counts; undefined for a call of this program itself. */
  keyOf({ token, address, caller }: CallContext): string | undefined {
    const username = caller?.username || (token === "" ? undefined : this.#users.get(token));
    if (username !== undefined && username !== "") return `user ${username}`;
    return address === undefined ? undefined : networkOf(address);
  }

  /** Records that the token is this user's. Its calls then count as the user's, whatever their address. */
  learn(token: string, username: string): void {
    if (username === "" || this.#users.get(token) === username) return;
    const oldest = this.#users.size >= TOKENS_MAX ? this.#users.keys().next().value : undefined;
    if (oldest !== undefined) this.#users.delete(oldest);
    this.#users.set(token, username);
  }

  /** Returns a share. Throws etcd's "too many requests" if the caller, or all together, hold too much. */
  take(kind: LimitedKind, context: CallContext, amount = 1, isOwner = false): Share {
    const share = this.budgets[kind].take(this.keyOf(context), amount, isOwner);
    if (share === undefined) throw errRequestTooManyRequests;
    return share;
  }
}

/** Snapshots read at the same time. Each reads all data. */
const SNAPSHOT_READERS = 4;
