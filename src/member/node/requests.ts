/** What the services have in common: requests become proposals and reads, and answers get their header. */
import type { Caller } from "../../auth/auth-store.ts";
import { errNoLeader, errStopped } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { Member } from "./member.ts";
import type { CallContext } from "../api/services.ts";

/** In the name of `caller`; without one, in nobody's. `context` tells whose turn it takes. */
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

/** A member that had to stop gives no answers from what it still has in memory. */
export function checkServing(member: Member): void {
  if (member.problem !== undefined) throw errStopped;
}

/** Metadata `hasleader`: better an error now than an answer from a member that is cut off. */
export function checkLeader(member: Member, context: CallContext): void {
  checkServing(member);
  if (!context.requireLeader || member.leader !== 0n) return;
  // A cluster that was asleep is not one without a leader: the request itself wakes it up, and waits for what comes.
  member.wake();
  if (!member.isWaking) throw errNoLeader;
}

export function withHeader<R extends { readonly header: ResponseHeader }>(member: Member, response: R): R {
  return { ...response, header: member.header(response.header.revision) };
}
