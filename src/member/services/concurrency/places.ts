/**
 * The places in queues (locks, elections) that callers of this member wait with, and their removal.
 *
 * A caller that is gone may have no valid token any more, so the member removes its place in its own name, as it ends
 * leases. A removal that meets no leader or a busy member is tried again: without it everybody behind would wait until
 * the lease ends.
 */
import { bytesToLatin1 } from "../../../base/bytes.ts";
import { ROOT } from "../../../auth/auth-store.ts";
import { EtcdError, GrpcCode } from "../../../protocol/errors.ts";
import type { InternalRequest } from "../../../protocol/peer/internal.ts";
import { compare, deleteRangeRequest, txnRequest } from "../../../protocol/api/kv.ts";
import type { Member } from "../../node/member.ts";
import { propose } from "../../node/requests.ts";

/** A request times out after some seconds, so these attempts outlast an election by far. */
const ATTEMPTS_MAX = 20;
const PAUSE_MS = 500;

const PASSING: ReadonlySet<GrpcCode> = new Set([
  GrpcCode.Unavailable,
  GrpcCode.DeadlineExceeded,
  GrpcCode.ResourceExhausted,
  // A change of users between proposal and application.
  GrpcCode.InvalidArgument,
]);

export class Places {
  readonly #member: Member;
  /** Calls of this member by the key that they wait with. */
  readonly #calls: Map<string, number> = new Map();

  constructor(member: Member) {
    this.#member = member;
  }

  /** Counts a call that waits with the key, until the function that it gives back is called. */
  enter(key: Uint8Array): () => void {
    const name = bytesToLatin1(key);
    this.#calls.set(name, this.#waiting(name) + 1);
    return () => {
      const left = this.#waiting(name) - 1;
      if (left > 0) this.#calls.set(name, left);
      else this.#calls.delete(name);
    };
  }

  /**
   * Deletes the key if it is still the one that was created then, in the name of one call that waits with it. It stays
   * when another call waits with it: that caller came back with its lease before the first call was given up. Never
   * rejects.
   */
  remove(key: Uint8Array, createRevision: number): Promise<void> {
    const isSame = compare({ key, target: "CREATE", targetUnion: { type: "createRevision", createRevision } });
    const gone = { type: "deleteRange", deleteRange: deleteRangeRequest({ key }) } as const;
    const request = { type: "txn", txn: txnRequest({ compare: [isSame], success: [gone] }) } as const;
    const name = bytesToLatin1(key);
    return this.#insist(request, () => this.#waiting(name) <= 1);
  }

  #waiting(name: string): number {
    return this.#calls.get(name) ?? 0;
  }

  /** Ends a lease that no caller knows, and the key with it. Never rejects. */
  endLease(id: bigint): Promise<void> {
    return this.#insist({ type: "leaseRevoke", leaseRevoke: { id } }, () => true);
  }

  async #insist(request: InternalRequest, isWanted: () => boolean): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && this.#member.problem === undefined; attempt++) {
      if (!isWanted()) return;
      try {
        await propose(this.#member, request, { username: ROOT, revision: this.#member.machine.auth.revision });
        return;
      } catch (error) {
        // "Lease not found" and the like: there is nothing to remove any more.
        if (!(error instanceof EtcdError) || !PASSING.has(error.code)) return;
        await new Promise<void>((resolve) => {
          this.#member.clock.setTimer(PAUSE_MS, resolve);
        });
      }
    }
  }
}
