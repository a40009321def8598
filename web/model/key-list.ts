/**
 * One page of the keys with a prefix, in order, as of one revision. It moves by keys and not by offsets: the next page
 * begins after the last key of this one, whatever keys are added or deleted meanwhile.
 */
import { concatBytes, prefixEnd } from "../../src/base/bytes.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Client } from "../../src/client/client.ts";
import { op } from "../../src/client/facade/txn.ts";
import type { KeyValue, RangeResult } from "../../src/client/common/types.ts";

export interface KeyPage {
  readonly kvs: readonly KeyValue[];
  /** The number of keys before the first one shown. */
  readonly skipped: number;
  readonly total: number;
  readonly revision: number;
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
}

export interface KeyListOptions {
  readonly client: Pick<Client, "kv">;
  readonly serializable: boolean;
  readonly refreshMs: number;
  readonly onChange: () => void;
  /** For tests. */
  readonly after?: (delayMs: number, run: () => void) => void;
}

export const PAGE_KEYS = 50;
const RETRY_MS = 1000;
const ZERO: Uint8Array = new Uint8Array(1);

export class KeyList {
  readonly #options: KeyListOptions;
  readonly #after: (delayMs: number, run: () => void) => void;
  #prefix: Uint8Array = new Uint8Array(0);
  /** Where the pages up to the one shown begin; empty for the first. */
  #starts: readonly Uint8Array[] = [];
  #page: KeyPage | undefined;
  #error: string | undefined;
  #wantedRevision = 0;
  #isLoading = false;
  #isStale = false;
  #isScheduled = false;

  constructor(options: KeyListOptions) {
    this.#options = options;
    this.#after = options.after ?? ((delayMs, run) => void setTimeout(run, delayMs));
  }

  get page(): KeyPage | undefined {
    return this.#page;
  }

  /** Why the page shown is not up to date. */
  get error(): string | undefined {
    return this.#error;
  }

  setPrefix(prefix: string): void {
    this.#prefix = utf8Encode(prefix);
    this.#goTo([]);
  }

  next(): void {
    const last = this.#page?.kvs.at(-1);
    if (this.#page?.hasNext !== true || last === undefined) return;
    this.#goTo([...this.#starts, concatBytes(last.key, ZERO)]);
  }

  previous(): void {
    if (this.#starts.length > 0) this.#goTo(this.#starts.slice(0, -1));
  }

  first(): void {
    this.#goTo([]);
  }

  /** Reads again soon, unless the page is of this revision or newer. Called when keys have changed at it. */
  changed(revision: number): void {
    if (revision <= this.#wantedRevision) return;
    this.#wantedRevision = revision;
    this.#loadLater(this.#options.refreshMs);
  }

  #goTo(starts: readonly Uint8Array[]): void {
    this.#starts = starts;
    this.#load();
  }

  #loadLater(delayMs: number): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#after(delayMs, () => {
      this.#isScheduled = false;
      this.#load();
    });
  }

  /** Makes one read at a time; the next one sees what changes meanwhile. */
  #load(): void {
    if (this.#isLoading) {
      this.#isStale = true;
      return;
    }
    this.#isLoading = true;
    this.#isStale = false;
    const starts = this.#starts;
    this.#read()
      .then((page) => {
        this.#error = undefined;
        if (starts !== this.#starts) return;
        if (page.kvs.length === 0 && starts.length > 0) {
          // All keys of this page were deleted.
          this.#starts = starts.slice(0, -1);
          this.#isStale = true;
        }
        this.#page = page;
        if (page.revision < this.#wantedRevision) this.#loadLater(this.#options.refreshMs);
      })
      .catch((error: unknown) => {
        this.#error = error instanceof Error ? error.message : String(error);
        this.#loadLater(RETRY_MS);
      })
      .finally(() => {
        this.#isLoading = false;
        if (this.#isStale) this.#load();
        this.#options.onChange();
      });
  }

  async #read(): Promise<KeyPage> {
    const { client, serializable } = this.#options;
    const start = this.#starts.at(-1);
    const [prefix, end] = [this.#prefix, this.#prefix.length === 0 ? ZERO : prefixEnd(this.#prefix)];
    const from = start ?? (prefix.length === 0 ? ZERO : prefix);
    const options = { rangeEnd: end, limit: PAGE_KEYS, serializable };
    if (start === undefined) {
      const range = await client.kv.range(from, options);
      return this.#pageOf(range, range.count);
    }
    // Both at one revision.
    const all = op.range(prefix.length === 0 ? ZERO : prefix, { rangeEnd: end, countOnly: true, serializable });
    const { responses } = await client.kv.txn().then(op.range(from, options), all).commit();
    const [range, counted] = responses.map((response) => (response.type === "range" ? response.range : undefined));
    if (range === undefined || counted === undefined) throw new Error("the answer lacks a range");
    return this.#pageOf(range, counted.count);
  }

  #pageOf(range: RangeResult, total: number): KeyPage {
    return {
      kvs: range.kvs,
      skipped: total - range.count,
      total,
      revision: range.header.revision,
      hasNext: range.more,
      hasPrevious: this.#starts.length > 0,
    };
  }
}
