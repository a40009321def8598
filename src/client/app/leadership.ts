/**
 * One leader among many candidates, on a lease that is kept alive.
 *
 *   await using leadership = await client.lead("poller", "tab 7");     // waits until elected
 *   for await (const leader of client.elect("poller").observe()) show(leader);
 */
import { toText } from "../common/convert.ts";
import type { ElectionClient, Leader, LeaderKey } from "../facade/lock.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { LockOptions } from "./held-lock.ts";
import { Session, type SessionHost } from "./session.ts";

/** Who leads an election. */
export interface LeaderInfo {
  /** The value that the leader proclaims. */
  readonly value: string;
  /** Fencing token: the create revision of the leader's key. It grows from leader to leader. */
  readonly fence: number;
}

/** A won election, on a lease that is kept alive until it is resigned or lost. */
export interface Leadership extends AsyncDisposable {
  readonly name: string;
  readonly fence: number;
  /** Aborts with LeaseLostError when leadership is lost. */
  readonly signal: AbortSignal;
  /** Replaces the proclaimed value. */
  proclaim(value: string): Promise<void>;
  resign(): Promise<void>;
}

/** One election: campaign in it, or observe who leads. */
export interface Election {
  /** Waits until elected, with `value` as the proclaimed value. Rejects when `options.signal` aborts. */
  campaign(value: string, options?: LockOptions): Promise<Leadership>;
  /** Returns the present leader, or undefined if there is none. */
  leader(): Promise<LeaderInfo | undefined>;
  /**
   * Yields the present leader, each later leader and each later value. Ends with the loop or when the signal aborts.
   */
  observe(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterableIterator<LeaderInfo>;
}

export interface ElectionHost extends SessionHost {
  readonly election: ElectionClient;
}

export function electionOf(host: ElectionHost, name: string): Election {
  return {
    campaign: (value, options) => campaign(host, name, value, options),
    async leader() {
      try {
        return infoOf(await host.election.leader(name));
      } catch (error) {
        // etcd reports this with code Unknown, some servers with NotFound.
        if (error instanceof EtcdError && /no leader/.test(error.message) && error.code !== GrpcCode.Unavailable) {
          return undefined;
        }
        throw error;
      }
    },
    async *observe(options = {}) {
      const observed = host.election.observe(name, options);
      for await (const leader of observed) yield infoOf(leader);
    },
  };
}

async function campaign(
  host: ElectionHost,
  name: string,
  value: string,
  { ttl, signal }: LockOptions = {},
): Promise<Leadership> {
  const session = await Session.open(host, { ttl, what: `the leadership of ${JSON.stringify(name)}`, signal });
  try {
    const waiting = AbortSignal.any([session.signal, ...(signal === undefined ? [] : [signal])]);
    const { leader } = await host.election.campaign(name, value, { lease: session.id, signal: waiting });
    session.signal.throwIfAborted();
    return leadership(host.election, session, name, leader);
  } catch (error) {
    await session.close();
    session.signal.throwIfAborted();
    signal?.throwIfAborted();
    throw error;
  }
}

function leadership(election: ElectionClient, session: Session, name: string, leader: LeaderKey): Leadership {
  return {
    name,
    fence: leader.revision,
    get signal() {
      return session.signal;
    },
    async proclaim(value) {
      await election.proclaim(leader, value);
    },
    resign: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

function infoOf({ kv }: Leader): LeaderInfo {
  return { value: toText(kv.value), fence: kv.createRevision };
}
