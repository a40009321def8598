/**
 * Compares each verdict with the agreed log, as soon as it is durable: what is committed is there once, at that revision;
 * what is refused or expired is not, and never will be; and what stood there instead, did.
 */
import { utf8Decode } from "../../../src/base/utf8.ts";
import type { OutboxVerdict } from "../../../src/client/outbox/verdict.ts";
import type { StoredEntry } from "../../../src/client/outbox/outbox-store.ts";
import type { StoreLife } from "./outbox-disk.ts";
import type { ReferenceModel } from "../reference-model.ts";
import { Violation } from "../state-checker.ts";

/** A write that was queued, and by which value its execution is known. */
export interface Queued {
  readonly id: string;
  /** Of an update one for each time that it was computed. */
  readonly values: Set<string>;
  /** The key whose condition may fail, and whether it holds for what stands there. */
  readonly condition?: { readonly key: string; readonly holds: (value: string | undefined, mod: number) => boolean };
}

/** A copy does not know what was sent by the store that it was copied from, and says this without a network. */
const UNSENT = "its time passed before it was sent";
const CONDITION = "the condition of the write did not hold";

export class OutboxChecker {
  readonly #model: ReferenceModel;
  readonly #queued: Map<string, Queued> = new Map();
  readonly #verdicts: Map<string, string> = new Map();
  /** Writes that are never executed, for a verdict says so. */
  readonly #never: Map<string, string> = new Map();
  #fresh: { readonly entry: StoredEntry; readonly profile: string; readonly life: StoreLife }[] = [];
  counts: Record<OutboxVerdict["type"], number> = { committed: 0, refused: 0, expired: 0 };

  constructor(model: ReferenceModel) {
    this.#model = model;
  }

  queued(write: Queued): void {
    this.#queued.set(write.id, write);
  }

  decided(entry: StoredEntry, profile: string, life: StoreLife): void {
    this.#fresh.push({ entry, profile, life });
  }

  /** Call when the members' applied entries are known. */
  check(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const { entry, profile, life } of fresh) this.#check(entry, `${profile}/${life.number}`, life.isCopy);
  }

  checkEnd(): void {
    for (const [id, verdict] of this.#never) this.#mustBeAbsent(id, verdict);
  }

  #check({ id, seq, verdict }: StoredEntry, life: string, isCopy: boolean): void {
    const write = this.#queued.get(id);
    if (verdict === undefined || write === undefined) throw new Violation(`outbox: write ${id} was never queued`);
    const text = JSON.stringify(verdict, (key, value: unknown) => (key === "found" ? undefined : value));
    const before = this.#verdicts.get(`${life} ${id}`);
    if (before === text) return;
    if (before !== undefined) throw new Violation(`outbox: the verdict of ${id} was ${before}, and is ${text}`);
    this.#verdicts.set(`${life} ${id}`, text);
    this.counts[verdict.type]++;
    if (verdict.type === "committed") this.#mustBeAt(write, seq, verdict.revision);
    else if (verdict.type === "refused" || !(verdict.mayBeCommitted || (isCopy && verdict.reason === UNSENT))) {
      this.#never.set(id, text);
      this.#mustBeAbsent(id, text);
    }
    if (verdict.type === "refused") this.#checkFound(write, verdict);
  }

  #mustBeAt({ id, values }: Queued, seq: number, revision: number): void {
    const found = [...values].map((value) => this.#model.revisionOf(value)).filter((at) => at !== undefined);
    if (found.length === 1 && found[0] === revision) return;
    throw new Violation(
      `outbox: write ${id} (${seq}) is told to be committed at ${revision}, and the log has it at ${found.join(", ") || "no revision"}`,
    );
  }

  #mustBeAbsent(id: string, verdict: string): void {
    for (const value of this.#queued.get(id)?.values ?? []) {
      const at = this.#model.revisionOf(value);
      if (at !== undefined) throw new Violation(`outbox: write ${id} was told ${verdict}, and the log has it at ${at}`);
    }
  }

  #checkFound({ id, condition }: Queued, verdict: Extract<OutboxVerdict, { readonly type: "refused" }>): void {
    if (condition === undefined || verdict.reason !== CONDITION) return;
    const pair = this.#model.state(verdict.revision).get(condition.key);
    if (condition.holds(pair?.value, pair?.mod ?? 0)) {
      throw new Violation(`outbox: the condition of ${id} held at ${verdict.revision}, where it was refused`);
    }
    if (verdict.found === undefined) return;
    const [kv] = verdict.found;
    const isSame =
      kv === undefined ? pair === undefined : kv.modRevision === pair?.mod && utf8Decode(kv.value) === pair.value;
    if (isSame) return;
    const found = kv === undefined ? "nothing" : `${utf8Decode(kv.value)} of ${kv.modRevision}`;
    throw new Violation(
      `outbox: ${id} found ${found} at ${verdict.revision}, where ${pair === undefined ? "nothing" : `${pair.value} of ${pair.mod}`} stood`,
    );
  }
}
