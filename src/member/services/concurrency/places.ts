/**
 * Removes queue positions (locks, elections) of callers that are gone.
 *
 * Such a caller may have no valid token any more, so the member removes its key as root, as it does with expired
 * leases. A removal that fails for lack of a leader or because the member is busy is retried: otherwise all callers
 * behind it would wait until the lease expires.
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
  /** Number of this member's waiting calls per key. */
  readonly #calls: Map<string, number> = new Map();

  constructor(member: Member) {
    this.#member = member;
  }

  /** Counts a call that waits with the key, until the returned function is called. */
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
   * Deletes the key if it still has this create revision, on behalf of one call that waits with it. Keeps it if another
   * call waits with it: its caller came back with the same lease before the first call was given up. Never rejects.
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

  /** Revokes a lease that no caller knows, and so deletes its key. Never rejects. */
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
        // "Lease not found" and similar errors: there is nothing left to remove.
        if (!(error instanceof EtcdError) || !PASSING.has(error.code)) return;
        await new Promise<void>((resolve) => {
          this.#member.clock.setTimer(PAUSE_MS, resolve);
        });
      }
    }
  }
}
