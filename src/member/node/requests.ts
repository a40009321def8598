/** Shared by the services: turns requests into proposals and reads, and adds headers to responses. */
import type { Caller } from "../../auth/auth-store.ts";
import { errNoLeader } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { stoppedError } from "./lifecycle.ts";
import type { Member } from "./member.ts";
import type { CallContext } from "../api/services.ts";

/** Enough to find that the leader is gone, and to elect another one. */
const CONFIRMING_ELECTION_TIMEOUTS = 3;

/**
 * Proposes `request` on behalf of `caller`, or without a user. Fair queueing counts it against the caller of `context`.
 * Rejects with an EtcdError.
 */
export function propose<R>(
  member: Member,
  request: InternalRequest,
  caller?: Caller,
  context?: CallContext,
): Promise<R> {
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    member.write(
      request,
      (outcome) => {
        if (outcome.ok) resolve(outcome.value as R);
        else reject(outcome.error);
      },
      caller,
      context === undefined ? undefined : member.callers.keyOf(context),
    );
  });
}

export function readIndex(member: Member): Promise<void> {
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    member.linearizable(resolve, reject);
  });
}

/**
 * Resolves once a quorum has confirmed the leader that this member knows, or when that takes longer than an election. In
 * a cluster that never quiesces it resolves at once: heartbeats confirm the leader all the time. For responses that name
 * the leader: a member that slept does not know who leads.
 */
export function confirmLeader(member: Member): Promise<void> {
  const { electionTicks, tickMs } = member.settings;
  if (!member.quiesces || member.problem !== undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = member.clock.setTimer(CONFIRMING_ELECTION_TIMEOUTS * electionTicks * tickMs, resolve);
    const done = (): void => {
      cancel();
      resolve();
    };
    member.linearizable(done, done);
  });
}

/**
 * Throws if the member has stopped. Its memory may be outdated, so it must not serve from it. With a full disk it still
 * answers who asked for a serializable read: a caller that takes old data is told of nothing that was not committed.
 */
export function checkServing(member: Member, isSerializable: boolean = false): void {
  const { problem } = member;
  if (problem === undefined || (isSerializable && problem.code === "disk-full")) return;
  throw stoppedError(problem);
}

/**
 * Implements the metadata `hasleader`: throws `errNoLeader` if no leader is known, so that no partitioned member
 * responds.
 */
export function checkLeader(member: Member, context: CallContext, isSerializable: boolean = false): void {
  checkServing(member, isSerializable);
  if (!context.requireLeader) return;
  if (member.problem !== undefined) throw errNoLeader;
  if (member.leader !== 0n) return;
  // A quiesced cluster does not count as leaderless: the request wakes it, and waits for the leader.
  member.wake();
  if (!member.isWaking) throw errNoLeader;
}

export function withHeader<R extends { readonly header: ResponseHeader }>(member: Member, response: R): R {
  return { ...response, header: member.header(response.header.revision) };
}
