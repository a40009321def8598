/**
 * What became of queued writes: their verdicts, from a txn of this outbox or from a marker that was found moved. A verdict is
 * durable before anything else is sent.
 */
import { assert } from "../../base/assert.ts";
import { EtcdError } from "../../protocol/errors.ts";
import type { KvClient } from "../client.ts";
import type { KeyValue } from "../common/types.ts";
import { distinct, isAboutTheWrite } from "./marked-txn.ts";
import { digestOf, markerOf, markerText, type Decision, type Marker } from "./marker.ts";
import type { OutboxLog } from "./outbox-log.ts";
import type { OutboxIdentity, StoredEntry } from "./outbox-store.ts";
import type { OutboxVerdict } from "./verdict.ts";

export const EXPIRED = "its time passed before it was sent";
export const CONDITION_FAILED = "the condition of the write did not hold";

export interface SettlementOptions {
  readonly kv: Pick<KvClient, "range">;
  readonly log: OutboxLog;
  /** Called with the id of the last write that was decided. */
  readonly onSettled: (id: string) => void;
}

export class Settlement {
  readonly #options: SettlementOptions;
  readonly #log: OutboxLog;

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** The marker is not where this copy of the outbox has it. */
  async moved(identity: OutboxIdentity, kv: KeyValue | undefined): Promise<void> {
    await this.#log.reload();
    const now = this.#log.meta.identity;
    // Another sender has settled meanwhile, or begun anew.
    if (now?.key !== identity.key || now.marker !== identity.marker) return;
    if (kv === undefined) {
      return this.abandon(
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
      return this.abandon("another copy of this browser profile has used this outbox", to);
    }
    const verdict = await this.verdictOf(marker.decision, kv.modRevision, entry, undefined);
    return this.settle(identity, markerText(marker), entry, verdict);
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

  async verdictOf(
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
  async settle(identity: OutboxIdentity, marker: string, last: StoredEntry, verdict: OutboxVerdict): Promise<void> {
    const verdicts = new Map<number, OutboxVerdict>();
    for (const { seq } of this.#log.pending()) {
      if (seq > last.seq) break;
      assert(verdict.type === "committed" || seq === last.seq, "a write is refused alone, and the first of all");
      verdicts.set(seq, verdict);
    }
    this.#options.onSettled(last.id);
    await this.#log.commit({ identity: { ...identity, marker }, verdicts });
  }

  /** Nobody can tell what became of what was sent, by this copy or by another. The rest goes on under another key. */
  async abandon(reason: string, sentByOther = 0): Promise<void> {
    const verdicts = new Map<number, OutboxVerdict>();
    const sentTo = Math.max(this.#log.meta.sentTo, sentByOther);
    for (const { seq } of this.#log.pending()) {
      if (seq <= sentTo) verdicts.set(seq, { type: "expired", mayBeCommitted: true, reason });
    }
    await this.#log.commit({ identity: null, verdicts });
  }
}
