/**
 * Sends queued writes in order, each exactly once.
 *
 * Every txn compares the marker with the value that this outbox knows, and moves it on. So each value of the marker is
 * followed by one txn at most: a request that arrives twice, late, or from a second sender finds another value and does
 * nothing. A verdict comes from such a txn alone, or from a marker that was found moved; the error of a call is none.
 *
 *     durable: "sent up to M" ─► txn { marker = N, conditions ⇒ marker := M, writes } ─► durable: verdicts, marker M
 *                                          │ answer lost: the next txn fails, and returns the marker
 *
 * At most one txn is undecided at a time, because its verdicts are durable before the next one is sent. The marker is on a
 * lease, so that the markers of forgotten browser profiles go away. If it is gone, what was sent and not decided has
 * expired: nobody can tell what became of it.
 *
 * Many writes are one txn as long as all conditions hold. If one does not, half as many are tried, and at last one alone,
 * whose txn refuses it in its other branch.
 */
import { assert, must } from "../../base/assert.ts";
import type { KvClient } from "../client.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { KeyValue } from "../common/types.ts";
import { footprintOf, isIndependent } from "./footprint.ts";
import type { Interval } from "./footprint.ts";
import { commitWrites, isAboutTheWrite, moveMarker, valueOf, type Sendable } from "./marked-txn.ts";
import { digestOf, markerText } from "./marker.ts";
import type { OutboxLog } from "./outbox-log.ts";
import type { OutboxIdentity, StoredEntry } from "./outbox-store.ts";
import type { OutboxHandler } from "./outbox-types.ts";
import { plansOf, type Plan } from "./plan.ts";
import { Registration, type RegistrationOptions } from "./registration.ts";
import { CONDITION_FAILED, EXPIRED, Settlement } from "./settlement.ts";
import type { OutboxVerdict } from "./verdict.ts";

export interface SenderOptions extends RegistrationOptions {
  readonly kv: Pick<KvClient, "txn" | "range">;
  readonly handlers: ReadonlyMap<string, OutboxHandler>;
}

export type Step =
  /** Something was done; there may be more. */
  | { readonly type: "again" }
  /** Nothing is pending. */
  | { readonly type: "idle" }
  /** The first write waits for its handler. */
  | { readonly type: "wait"; readonly reason: string }
  /** The cluster cannot be reached, or does not let this client write. */
  | { readonly type: "retry"; readonly reason: string };

/** etcd's limit of operations in a txn is 128, and so is that of comparisons. The marker takes one of each. */
const OPERATIONS_MAX = 127;
const BATCH_BYTES_MAX = 256 * 1024;
const CONFLICTS_MAX = 100;
const AGAIN: Step = { type: "again" };

export class Sender {
  readonly #options: SenderOptions;
  readonly #log: OutboxLog;
  readonly #registration: Registration;
  readonly #settlement: Settlement;
  /** Puts whose condition did not hold, with the number of times. */
  readonly #conflicts: Map<string, number> = new Map();
  #batchMax = OPERATIONS_MAX;
  /** The identity whose marker was seen where this copy has it, and after which no answer was lost. */
  #checked: OutboxIdentity["key"] | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#registration = new Registration(options);
    this.#settlement = new Settlement({ ...options, onSettled: (id) => void this.#conflicts.delete(id) });
  }

  /** Rejects with EtcdError only if the store fails. */
  async step(): Promise<Step> {
    if (await this.#expireUnsent()) return AGAIN;
    const [head] = this.#log.pending();
    if (head === undefined) return { type: "idle" };
    const { identity, sentTo } = this.#log.meta;
    // Nothing is sent before there is an identity.
    if (identity === undefined && head.seq <= sentTo) {
      return again(this.#settlement.abandon("what is stored of this outbox is damaged"));
    }
    if (identity?.isRegistered !== true) return this.#calling(() => again(this.#registration.register(identity)));
    if (this.#registration.isRenewalDue(identity))
      return this.#calling(() => again(this.#registration.renew(identity)));
    // What a lost request has done is known before anything else is marked as sent.
    if (this.#checked !== identity.key) return this.#calling(() => this.#check(identity));
    if (head.expiresAt <= this.#options.now()) return this.#fence(identity, head, "expired", EXPIRED);
    return this.#calling(() => this.#planAndSend(identity, head));
  }

  // ── before anything is sent ───────────────────────────────────────────────────────────────────────────────────

  /** What was never sent needs nobody to expire. */
  async #expireUnsent(): Promise<boolean> {
    const now = this.#options.now();
    const verdicts = new Map<number, OutboxVerdict>();
    for (const { seq, expiresAt } of this.#log.pending()) {
      if (seq > this.#log.meta.sentTo && expiresAt <= now) {
        verdicts.set(seq, { type: "expired", mayBeCommitted: false, reason: EXPIRED });
      }
    }
    if (verdicts.size === 0) return false;
    await this.#log.commit({ verdicts });
    return true;
  }

  async #check(identity: OutboxIdentity): Promise<Step> {
    const { kvs } = await this.#options.kv.range(identity.key);
    if (valueOf(kvs[0]) !== identity.marker) return again(this.#settlement.moved(identity, kvs[0]));
    this.#checked = identity.key;
    return AGAIN;
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #planAndSend(identity: OutboxIdentity, head: StoredEntry): Promise<Step> {
    const { handlers, kv } = this.#options;
    let plans: readonly Plan[];
    try {
      plans = await plansOf(this.#candidates(), new Set(this.#conflicts.keys()), handlers, kv);
    } catch (error) {
      if (!(error instanceof EtcdError) || !isAboutTheWrite(error)) throw error;
      if (this.#batchMax === 1) return this.#fence(identity, head, "refused", error.message);
      this.#batchMax = 1;
      return AGAIN;
    }
    const batch = batchOf(plans);
    if (batch.length > 0) return this.#send(identity, batch);
    const [first] = plans;
    assert(first !== undefined && first.type !== "send", "a plan that can be sent is in the batch");
    if (first.type === "refuse") return this.#fence(identity, first.entry, "refused", first.reason);
    return { type: "wait", reason: first.reason };
  }

  /** The first writes that do not touch what an earlier one of them changes. */
  #candidates(): readonly StoredEntry[] {
    const entries: StoredEntry[] = [];
    const changed: Interval[] = [];
    let bytes = 0;
    for (const entry of this.#log.pending()) {
      const footprint = footprintOf(entry.write);
      bytes += entry.sizeBytes;
      if (entries.length >= this.#batchMax || entry.expiresAt <= this.#options.now()) break;
      if (entries.length > 0 && (bytes > BATCH_BYTES_MAX || !isIndependent(footprint, changed))) break;
      entries.push(entry);
      changed.push(...footprint.changed);
    }
    return entries;
  }

  async #send(identity: OutboxIdentity, batch: readonly Sendable[]): Promise<Step> {
    const last = must(batch.at(-1), "a batch has a last write");
    if (!(await this.#markSent(last.entry.seq))) return AGAIN;
    const { seq: to, id } = last.entry;
    const of = batch.map(({ entry }) => entry);
    const committed = markerText({ to, decision: "committed", id, of: digestOf(of) });
    const refused = markerText({ to, decision: "refused", id, of: digestOf(of) });
    try {
      const found = await commitWrites(this.#options.kv, identity, batch, { committed, refused });
      switch (found.type) {
        case "committed": {
          this.#batchMax = Math.min(OPERATIONS_MAX, this.#batchMax * 2);
          const { type, revision } = found;
          return await again(this.#settlement.settle(identity, committed, last.entry, { type, revision }));
        }
        case "refused": {
          const { kvs, revision } = found;
          const verdict = { type: "refused", found: kvs, revision, reason: CONDITION_FAILED } as const;
          return await again(this.#settlement.settle(identity, refused, last.entry, verdict));
        }
        case "neither":
          return await this.#nothingDone(identity, batch, found.marker);
      }
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return this.#notDone(identity, batch, error);
    }
  }

  /** The marker was another one, or a condition did not hold. */
  async #nothingDone(
    identity: OutboxIdentity,
    batch: readonly Sendable[],
    marker: KeyValue | undefined,
  ): Promise<Step> {
    if (valueOf(marker) !== identity.marker) return again(this.#settlement.moved(identity, marker));
    if (batch.length > 1) {
      this.#batchMax = Math.ceil(batch.length / 2);
      return AGAIN;
    }
    const { entry } = must(batch[0], "a batch has a first write");
    const conflicts = (this.#conflicts.get(entry.id) ?? 0) + 1;
    this.#conflicts.set(entry.id, conflicts);
    if (conflicts < CONFLICTS_MAX) return AGAIN;
    return this.#fence(identity, entry, "refused", `others changed the key ${CONFLICTS_MAX} times in a row`);
  }

  /** The call failed. Some errors are about the write, and the write is refused once the marker says so, too. */
  async #notDone(identity: OutboxIdentity, batch: readonly Sendable[], error: EtcdError): Promise<Step> {
    if (!isAboutTheWrite(error)) return this.#retry(error);
    if (batch.length > 1) {
      this.#batchMax = Math.ceil(batch.length / 2);
      return AGAIN;
    }
    return this.#fence(identity, must(batch[0], "a batch has a first write").entry, "refused", error.message);
  }

  /** Moves the marker past a write without executing it. An earlier request for it can do nothing from then on. */
  async #fence(
    identity: OutboxIdentity,
    entry: StoredEntry,
    decision: "refused" | "expired",
    reason: string,
  ): Promise<Step> {
    if (!(await this.#markSent(entry.seq))) return AGAIN;
    return this.#calling(async () => {
      const marker = markerText({ to: entry.seq, decision, id: entry.id, of: digestOf([entry]) });
      const found = await moveMarker(this.#options.kv, identity, marker);
      if (found.type === "neither") return again(this.#settlement.moved(identity, found.marker));
      const verdict = await this.#settlement.verdictOf(decision, found.revision, entry, reason);
      return again(this.#settlement.settle(identity, marker, entry, verdict));
    });
  }

  /** Durable before the request leaves. Returns false if another sender was faster. */
  async #markSent(seq: number): Promise<boolean> {
    return seq <= this.#log.meta.sentTo || this.#log.commit({ sentTo: seq });
  }

  async #calling(run: () => Promise<Step>): Promise<Step> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return this.#retry(error);
    }
  }

  #retry({ code, message }: EtcdError): Step {
    this.#checked = undefined;
    if (code !== GrpcCode.PermissionDenied) return { type: "retry", reason: message };
    const prefix = JSON.stringify(this.#options.markerPrefix);
    return {
      type: "retry",
      reason: `${message}: the outbox needs the right to read and write keys that begin with ${prefix}`,
    };
  }
}

/** The first plans that one txn can hold. */
function batchOf(plans: readonly Plan[]): readonly Sendable[] {
  const batch: Sendable[] = [];
  let [compares, operations] = [0, 0];
  for (const plan of plans) {
    if (plan.type !== "send") break;
    compares += plan.compare.length;
    operations += plan.operations.length;
    if (batch.length > 0 && Math.max(compares, operations) > OPERATIONS_MAX) break;
    batch.push(plan);
  }
  return batch;
}

/** Something was done, once that is over. */
async function again(done: Promise<void>): Promise<Step> {
  await done;
  return AGAIN;
}
