/**
 * Admits the requests of this member's clients. Rejects a request when too much is pending; otherwise sets its deadline
 * and queues it.
 */
import { NOBODY } from "../../auth/auth-store.ts";
import type { Caller } from "../../auth/auth-store.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Prng } from "../../base/prng.ts";
import { errRequestTooLarge, errRequestTooManyRequests } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import { internalRaftRequestSchema } from "../../protocol/peer/internal-schema.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { encode } from "../../protocol/codec/proto-codec.ts";
import type { ConfChange, ConfChangeSingle, ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Clock } from "../clock.ts";
import { errReadOnlyMember } from "../../protocol/invitation-errors.ts";
import type { Membership } from "../membership/membership.ts";
import type { Driver } from "./driver.ts";
import { stoppedError, type Lifecycle } from "./lifecycle.ts";
import type { Settings } from "../options.ts";
import type { Proposals } from "./proposals.ts";
import type { Outcome } from "../outcome.ts";
import type { Quiescence } from "./quiescence.ts";
import type { Reads } from "./reads.ts";

const INT63 = (1n << 63n) - 1n;

export interface AdmissionDeps {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly quiescence: Quiescence;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly machine: { readonly membership: Membership };
}

export class Admission {
  readonly #parts: AdmissionDeps;
  #lastRequest: bigint;

  constructor(parts: AdmissionDeps, prng: Prng) {
    this.#parts = parts;
    this.#lastRequest = ((parts.id & 0xffffn) << 48n) | (prng.u64() >> 16n);
  }

  /** Returns a request id that is unique in the cluster and among all runs of this member. */
  newRequestId(): bigint {
    this.#lastRequest = BigInt.asUintN(64, this.#lastRequest + 1n);
    return this.#lastRequest;
  }

  /** Returns a new lease id. It is unique like a request id, and positive. */
  newLeaseId(): bigint {
    return this.newRequestId() & INT63 || this.newLeaseId();
  }

  /** Ends quiescence and schedules a run, so that pending work is done. */
  wake(): void {
    if (this.#parts.lifecycle.problem !== undefined) return;
    this.#parts.quiescence.onRequest();
    this.#parts.driver.schedule();
  }

  /** Queues a write on behalf of `caller`. Fair queueing counts it against `key`. */
  write(
    request: InternalRequest,
    done: (outcome: Outcome<unknown>) => void,
    caller: Caller = NOBODY,
    key?: string,
  ): void {
    const { id: self, lifecycle, machine, raft, settings, proposals } = this.#parts;
    if (lifecycle.problem !== undefined) return done({ ok: false, error: stoppedError(lifecycle.problem) });
    // The others would drop it unread (frame-policy.ts).
    if (machine.membership.guest(self)?.role === "reader") return done({ ok: false, error: errReadOnlyMember });
    const id = this.newRequestId();
    const header = { id, username: caller.username, authRevision: caller.revision };
    const bytes = encode(internalRaftRequestSchema, { header, request });
    if (bytes.length > settings.limits.requestBytes) return done({ ok: false, error: errRequestTooLarge });
    const isBehind = raft.backlog > settings.limits.applyBacklog;
    if (isBehind || !proposals.add({ id, bytes, deadlineMs: this.#deadlineMs, caller: key, done })) {
      return done({ ok: false, error: errRequestTooManyRequests });
    }
    this.wake();
  }

  linearizable(read: () => void, fail: (error: EtcdError) => void): void {
    const { problem } = this.#parts.lifecycle;
    if (problem !== undefined) return fail(stoppedError(problem));
    const added = this.#parts.reads.add({ deadlineMs: this.#deadlineMs, run: read, fail });
    if (!added) return fail(errRequestTooManyRequests);
    this.wake();
  }

  /** `instead`: a member that the same change removes. */
  changeMembership(
    type: ConfChangeType,
    nodeId: MemberId,
    context: Uint8Array,
    instead?: MemberId,
  ): "accepted" | "no-leader" | "pending" {
    const removal = instead === undefined ? [] : [{ type: "remove-node", nodeId: instead } as const];
    return this.#change([...removal, { type, nodeId }], context);
  }

  /** Promotes and demotes at once, through a joint configuration if more than one vote changes. */
  changeVotes(changes: readonly ConfChangeSingle[]): "accepted" | "no-leader" | "pending" {
    return this.#change(changes, EMPTY_BYTES);
  }

  #change(changes: readonly ConfChangeSingle[], context: Uint8Array): "accepted" | "no-leader" | "pending" {
    const change: ConfChange = { id: this.newRequestId(), transition: "auto", changes, context };
    const result = this.#parts.raft.proposeConfChange(change);
    this.wake();
    return result;
  }

  transferLeader(to: MemberId): void {
    if (this.#parts.lifecycle.problem !== undefined) return;
    this.#parts.raft.transferLeader(to);
    this.wake();
  }

  get #deadlineMs(): number {
    return this.#parts.clock.nowMs() + this.#parts.settings.requestTimeoutMs;
  }
}
