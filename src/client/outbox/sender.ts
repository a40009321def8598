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
import type { LeaseClient } from "../facade/lease.ts";
import { compare, op } from "../facade/txn.ts";
import type { KeyValue } from "../common/types.ts";
import { footprintOf, isIndependent } from "./footprint.ts";
import type { Interval } from "./footprint.ts";
import { commitWrites, distinct, moveMarker, rangeAt, valueOf, type Sendable } from "./marked-txn.ts";
import { digestOf, markerOf, markerText, type Decision, type Marker } from "./marker.ts";
import type { OutboxLog } from "./outbox-log.ts";
import type { OutboxIdentity, StoredEntry } from "./outbox-store.ts";
import type { OutboxHandler } from "./outbox-types.ts";
import type { OutboxVerdict } from "./verdict.ts";
import { plansOf, type Plan } from "./plan.ts";

export interface SenderOptions {
  readonly kv: Pick<KvClient, "txn" | "range">;
  readonly lease: Pick<LeaseClient, "grant" | "keepAliveOnce">;
  readonly log: OutboxLog;
  readonly handlers: ReadonlyMap<string, OutboxHandler>;
  readonly markerPrefix: string;
  readonly markerTtl: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Random, and never the same twice. */
  readonly newId: () => string;
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
const RENEWALS_PER_TTL = 10;
const AGAIN: Step = { type: "again" };
const EXPIRED = "its time passed before it was sent";
const CONDITION_FAILED = "the condition of the write did not hold";

export class Sender {
  readonly #options: SenderOptions;
  readonly #log: OutboxLog;
  /** Puts whose condition did not hold, with the number of times. */
  readonly #conflicts: Map<string, number> = new Map();
  #batchMax = OPERATIONS_MAX;
  /** The identity whose marker was seen where this copy has it, and after which no answer was lost. */
  #checked: OutboxIdentity["key"] | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Rejects with EtcdError only if the store fails. */
  async step(): Promise<Step> {
    if (await this.#expireUnsent()) return AGAIN;
    const [head] = this.#log.pending();
    if (head === undefined) return { type: "idle" };
    const { identity, sentTo } = this.#log.meta;
    // Nothing is sent before there is an identity.
    if (identity === undefined && head.seq <= sentTo) return this.#abandon("what is stored of this outbox is damaged");
    if (identity?.isRegistered !== true) return this.#calling(() => this.#register(identity));
    if (this.#isRenewalDue(identity)) return this.#calling(() => this.#renew(identity));
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

  /** The key is chosen durably before it is created, so that a lost answer leaves no marker that nobody knows. */
  async #register(known: OutboxIdentity | undefined): Promise<Step> {
    const { kv, lease, markerPrefix, markerTtl, newId, now } = this.#options;
    if (known === undefined) {
      const renewedAt = now();
      const granted = await lease.grant(markerTtl);
      const marker = markerText({ to: 0, decision: "registered", id: newId(), of: digestOf([]) });
      const identity = { key: markerPrefix + newId(), lease: granted.id, marker, isRegistered: false, renewedAt };
      await this.#log.commit({ identity });
      return AGAIN;
    }
    const { key, marker } = known;
    try {
      const { succeeded, responses } = await kv
        .txn()
        .if(compare.createRevision(key).equals(0))
        .then(op.put(key, marker, { lease: known.lease }))
        .else(op.range(key))
        .commit();
      const isOurs = succeeded || valueOf(rangeAt(responses, 0)) === marker;
      await this.#log.commit({ identity: isOurs ? { ...known, isRegistered: true } : null });
    } catch (error) {
      // Its lease is gone. Nothing was sent under this key, so another one does as well.
      if (!(error instanceof EtcdError) || error.code !== GrpcCode.NotFound) throw error;
      await this.#log.commit({ identity: null });
    }
    return AGAIN;
  }

  #isRenewalDue({ renewedAt }: OutboxIdentity): boolean {
    return this.#options.now() >= renewedAt + (this.#options.markerTtl * 1_000) / RENEWALS_PER_TTL;
  }

  /** If the lease is gone, so is the marker, and the next txn finds that. */
  async #renew(identity: OutboxIdentity): Promise<Step> {
    const renewedAt = this.#options.now();
    await this.#options.lease.keepAliveOnce(identity.lease);
    await this.#log.commit({ identity: { ...identity, renewedAt } });
    return AGAIN;
  }

  async #check(identity: OutboxIdentity): Promise<Step> {
    const { kvs } = await this.#options.kv.range(identity.key);
    if (valueOf(kvs[0]) !== identity.marker) return this.#moved(identity, kvs[0]);
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
          return await this.#settle(identity, committed, last.entry, { type, revision });
        }
        case "refused": {
          const { kvs, revision } = found;
          const verdict = { type: "refused", found: kvs, revision, reason: CONDITION_FAILED } as const;
          return await this.#settle(identity, refused, last.entry, verdict);
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
    if (valueOf(marker) !== identity.marker) return this.#moved(identity, marker);
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
      if (found.type === "neither") return this.#moved(identity, found.marker);
      return this.#settle(identity, marker, entry, await this.#verdictOf(decision, found.revision, entry, reason));
    });
  }

  /** Durable before the request leaves. Returns false if another sender was faster. */
  async #markSent(seq: number): Promise<boolean> {
    return seq <= this.#log.meta.sentTo || this.#log.commit({ sentTo: seq });
  }

  // ── what the marker says ──────────────────────────────────────────────────────────────────────────────────────

  /** The marker is not where this copy of the outbox has it. */
  async #moved(identity: OutboxIdentity, kv: KeyValue | undefined): Promise<Step> {
    await this.#log.reload();
    const now = this.#log.meta.identity;
    // Another sender has settled meanwhile, or begun anew.
    if (now?.key !== identity.key || now.marker !== identity.marker) return AGAIN;
    if (kv === undefined) {
      return this.#abandon(
        "the cluster does not know this outbox any more: it was not used for too long, or the data is another",
      );
    }
    const [before, marker] = [markerOf(identity.marker), markerOf(kv.value)];
    const entry = marker === undefined ? undefined : this.#log.entry(marker.to);
    if (
      marker === undefined ||
      marker.decision === "registered" ||
      marker.to <= (before?.to ?? 0) ||
      entry?.id !== marker.id ||
      !this.#mayDecide(marker)
    ) {
      // Who names a write of this outbox has it, and has decided all before it.
      const to = marker !== undefined && entry?.id === marker.id ? marker.to : 0;
      return this.#abandon("another copy of this browser profile has used this outbox", to);
    }
    const verdict = await this.#verdictOf(marker.decision, kv.modRevision, entry, undefined);
    return this.#settle(identity, markerText(marker), entry, verdict);
  }

  /**
   * Only a commit decides several writes, and only those that it was about. Everybody with the right to write markers could
   * write another one; and a copy of this store, from before, may have sent what is still pending here one by one.
   */
  #mayDecide({ decision, to, of }: Marker): boolean {
    const decided: StoredEntry[] = [];
    for (const entry of this.#log.pending()) if (entry.seq <= to) decided.push(entry);
    if (decided.length === 0 || (decided.length > 1 && decision !== "committed")) return false;
    return of === undefined || of === digestOf(decided);
  }

  async #verdictOf(
    decision: Exclude<Decision, "registered">,
    revision: number,
    entry: StoredEntry,
    reason: string | undefined,
  ): Promise<OutboxVerdict> {
    switch (decision) {
      case "committed":
        return { type: "committed", revision };
      case "expired":
        return { type: "expired", mayBeCommitted: false, reason: reason ?? EXPIRED };
      case "refused": {
        const found = await this.#foundAt(revision, entry);
        return { type: "refused", found, revision, reason: reason ?? CONDITION_FAILED };
      }
    }
  }

  /** What stood there when the write was refused. */
  async #foundAt(revision: number, { write }: StoredEntry): Promise<readonly KeyValue[] | undefined> {
    const compared = write.type === "txn" ? write.compare : [{ key: write.key, rangeEnd: undefined }];
    if (compared.length === 0) return undefined;
    try {
      const found: KeyValue[] = [];
      for (const { key, rangeEnd } of compared) {
        const range = rangeEnd === undefined || rangeEnd.length === 0 ? {} : { rangeEnd };
        found.push(...(await this.#options.kv.range(key, { ...range, revision })).kvs);
      }
      return distinct(found);
    } catch (error) {
      // Compacted, or the right to read was withdrawn. Other errors pass, and the marker still says the same then.
      if (error instanceof EtcdError && isAboutTheWrite(error)) return undefined;
      throw error;
    }
  }

  /** Records what a marker has decided: all that is pending up to its write. */
  async #settle(identity: OutboxIdentity, marker: string, last: StoredEntry, verdict: OutboxVerdict): Promise<Step> {
    const verdicts = new Map<number, OutboxVerdict>();
    for (const { seq } of this.#log.pending()) {
      if (seq > last.seq) break;
      assert(verdict.type === "committed" || seq === last.seq, "a write is refused alone, and the first of all");
      verdicts.set(seq, verdict);
    }
    this.#conflicts.delete(last.id);
    await this.#log.commit({ identity: { ...identity, marker }, verdicts });
    return AGAIN;
  }

  /** Nobody can tell what became of what was sent, by this copy or by another. The rest goes on under another key. */
  async #abandon(reason: string, sentByOther = 0): Promise<Step> {
    const verdicts = new Map<number, OutboxVerdict>();
    const sentTo = Math.max(this.#log.meta.sentTo, sentByOther);
    for (const { seq } of this.#log.pending()) {
      if (seq <= sentTo) verdicts.set(seq, { type: "expired", mayBeCommitted: true, reason });
    }
    await this.#log.commit({ identity: null, verdicts });
    return AGAIN;
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

/** The same request would fail again. */
function isAboutTheWrite({ code }: EtcdError): boolean {
  return (
    code === GrpcCode.InvalidArgument ||
    code === GrpcCode.NotFound ||
    code === GrpcCode.PermissionDenied ||
    code === GrpcCode.OutOfRange
  );
}
