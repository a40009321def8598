/**
 * Software transactional memory: `run` reads and writes as if it were alone. Its writes are committed in one txn that
 * compares every key that it read or wrote. If another client changed one of them meanwhile, `run` is called again.
 *
 *   await client.transaction(async (tx) => {
 *     const from = Number(await tx.get("ann")), to = Number(await tx.get("bob"));
 *     tx.put("ann", String(from - 10));
 *     tx.put("bob", String(to + 10));
 *   });
 *
 * All reads are of one revision, that of the first read. The isolation is serializable with snapshot reads, the default
 * level of Go's `concurrency.NewSTM`.
 */
import type { KvClient } from "../client.ts";
import { invalid, toText } from "../common/convert.ts";
import { backoffMs, type BackoffTimer } from "../common/backoff.ts";
import { compare, op } from "../facade/txn.ts";
import type { Compare, RequestOp } from "../facade/txn.ts";
import type { Bytes, Id } from "../common/types.ts";
import { ConflictError } from "./errors.ts";
import { heeded } from "./heeded.ts";

/** Reads and writes of one transaction. It may be used until the function that received it has ended. */
export interface Transaction {
  /**
   * Returns the value as text: the one that this transaction wrote, or the one at its revision. Returns undefined if
   * the key does not exist.
   */
  get(key: string): Promise<string | undefined>;
  put(key: string, value: Bytes, options?: { readonly lease?: Id | undefined }): void;
  delete(key: string): void;
}

/** Options of `transaction`. */
export interface TransactionOptions {
  readonly signal?: AbortSignal | undefined;
  /** Number of attempts after which the call rejects with ConflictError. Default 100. */
  readonly attempts?: number | undefined;
}

export interface TransactionHost {
  readonly kv: KvClient;
  readonly backoff: BackoffTimer;
}

type Write =
  | { readonly type: "put"; readonly value: Bytes; readonly lease: Id | undefined }
  | { readonly type: "delete" };

const RETRY_LIMIT_MS = 250;

/**
 * Returns what `run` returned in the attempt that was committed. `run` must have no effect other than through `tx`,
 * because it may be called several times.
 */
export async function transaction<Result>(
  { kv, backoff }: TransactionHost,
  run: (tx: Transaction) => Promise<Result> | Result,
  { signal, attempts = 100 }: TransactionOptions = {},
): Promise<Result> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const tx = new Attempt(kv, signal);
    const result = await heeded(signal, async () => run(tx));
    if (await tx.commit()) return result;
    await backoff.sleep(backoffMs(attempt, RETRY_LIMIT_MS, backoff.random), signal);
  }
  throw new ConflictError("", `the transaction met changes by others in each of ${attempts} attempts`);
}

class Attempt implements Transaction {
  readonly #kv: KvClient;
  readonly #signal: AbortSignal | undefined;
  /** The mod revision of each key that was read; 0 if it did not exist. */
  readonly #reads: Map<string, { readonly revision: number; readonly value: string | undefined }> = new Map();
  readonly #writes: Map<string, Write> = new Map();
  /** Revision of all reads; 0 before the first. */
  #revision = 0;
  #isOver = false;

  constructor(kv: KvClient, signal: AbortSignal | undefined) {
    this.#kv = kv;
    this.#signal = signal;
  }

  async get(key: string): Promise<string | undefined> {
    this.#checkOpen();
    const written = this.#writes.get(key);
    if (written !== undefined) return written.type === "delete" ? undefined : asText(written.value);
    const known = this.#reads.get(key);
    if (known !== undefined) return known.value;
    const { header, kvs } = await this.#kv.range(key, { revision: this.#revision, signal: this.#signal });
    if (this.#revision === 0) this.#revision = header.revision;
    const [kv] = kvs;
    const read = { revision: kv?.modRevision ?? 0, value: kv === undefined ? undefined : toText(kv.value) };
    this.#reads.set(key, read);
    return read.value;
  }

  put(key: string, value: Bytes, { lease }: { readonly lease?: Id | undefined } = {}): void {
    this.#checkOpen();
    this.#writes.set(key, { type: "put", value, lease });
  }

  delete(key: string): void {
    this.#checkOpen();
    this.#writes.set(key, { type: "delete" });
  }

  /**
   * Commits. Returns false if another client changed a key meanwhile. A transaction that only read needs no txn: its
   * reads are of one revision.
   */
  async commit(): Promise<boolean> {
    this.#isOver = true;
    if (this.#writes.size === 0) return true;
    const txn = this.#kv
      .txn()
      .if(...this.#comparisons())
      .then(...this.#operations());
    const { succeeded } = await heeded(this.#signal, () => txn.commit({ signal: this.#signal }));
    return succeeded;
  }

  #comparisons(): readonly Compare[] {
    const comparisons = [...this.#reads].map(([key, { revision }]) => compare.modRevision(key).equals(revision));
    if (this.#revision === 0) return comparisons;
    // A key that was written without being read must not have changed since the reads either.
    for (const key of this.#writes.keys()) {
      if (!this.#reads.has(key)) comparisons.push(compare.modRevision(key).lessThan(this.#revision + 1));
    }
    return comparisons;
  }

  #operations(): readonly RequestOp[] {
    return [...this.#writes].map(([key, write]) =>
      write.type === "delete" ? op.deleteRange(key) : op.put(key, write.value, { lease: write.lease }),
    );
  }

  #checkOpen(): void {
    if (this.#isOver) throw invalid("the transaction is over: await all that it does inside its function");
  }
}

function asText(value: Bytes): string {
  return typeof value === "string" ? value : toText(value);
}
