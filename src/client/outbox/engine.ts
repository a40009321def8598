/**
 * The outbox of one tab: it stores writes, shows what is stored, and sends while it holds the lock that the tabs of this
 * browser profile share. Where there are no Web Locks every tab sends; the marker sees to it that nothing is sent twice.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { backoffMs, type BackoffTimer } from "../common/backoff.ts";
import { browser, type ChannelLike } from "./browser.ts";
import { deferred, type Deferred } from "../common/deferred.ts";
import type { Store } from "../common/store.ts";
import { OutboxFullError } from "./errors.ts";
import { changedRangeOf, OutboxLog, type ChangedRange } from "./outbox-log.ts";
import type { NewEntry, OutboxLimits, OutboxStore, StoredEntry } from "./outbox-store.ts";
import type { OutboxEntry, OutboxSnapshot, OutboxState } from "./outbox-types.ts";
import type { OutboxVerdict } from "./verdict.ts";
import { Sender, type SenderOptions, type Step } from "./sender.ts";

export interface EngineOptions extends Omit<SenderOptions, "log"> {
  /** Of this browser profile: for the lock and the channel. */
  readonly name: string;
  readonly store: OutboxStore;
  readonly limits: OutboxLimits;
  readonly snapshots: Store<OutboxSnapshot>;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

interface Adding {
  readonly entry: NewEntry;
  readonly done: Deferred<void>;
}

const RETRY_LIMIT_MS = 15_000;
/** How often a waiting write is looked at again although nothing happened: it may have expired. */
const LOOK_EVERY_MS = 30_000;

export class OutboxEngine {
  readonly #options: EngineOptions;
  readonly #log: OutboxLog;
  readonly #sender: Sender;
  readonly #channel: ChannelLike | undefined;
  readonly #adding: Adding[] = [];
  #isAppending = false;
  readonly #verdicts: Map<string, Deferred<OutboxVerdict>> = new Map();
  /** Built once for each stored entry that did not change. */
  readonly #shown: WeakMap<StoredEntry, OutboxEntry> = new WeakMap();
  #state: OutboxState = "opening";
  #reason = "";
  #wake: AbortController = new AbortController();
  #isShowDue = false;
  #failure: EtcdError | undefined;

  private constructor(options: EngineOptions, log: OutboxLog) {
    this.#options = options;
    this.#log = log;
    this.#sender = new Sender({ ...options, log });
    const { BroadcastChannel } = browser;
    this.#channel = BroadcastChannel === undefined ? undefined : new BroadcastChannel(options.name);
  }

  /** Rejects with EtcdError if the store cannot be read. */
  static async open(options: EngineOptions): Promise<OutboxEngine> {
    const engine = new OutboxEngine(options, await OutboxLog.open(options.store));
    engine.#begin();
    return engine;
  }

  /** In the order in which writes are sent. */
  get entries(): Iterable<StoredEntry> {
    return this.#log.entries;
  }

  /** Resolves when the write is durable. Rejects with OutboxFullError, or with EtcdError when the store is lost. */
  add(entry: NewEntry): Promise<void> {
    const done = deferred<void>();
    this.#adding.push({ entry, done });
    // All that come while one is under way share the next transaction.
    if (!this.#isAppending) void this.#append();
    return done.promise;
  }

  verdictOf(id: string): Promise<OutboxVerdict> {
    const verdict = this.#log.byId(id)?.verdict;
    if (verdict !== undefined) return Promise.resolve(verdict);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = this.#verdicts.get(id) ?? deferred<OutboxVerdict>();
    this.#verdicts.set(id, waiting);
    return waiting.promise;
  }

  async discard(id: string): Promise<void> {
    await this.#change(() => {
      const entry = this.#log.byId(id);
      if (entry === undefined || entry.verdict !== undefined) return undefined;
      const reason = "it was discarded before it was sent";
      if (entry.seq > this.#log.meta.sentTo) {
        return { verdicts: new Map([[entry.seq, { type: "expired", mayBeCommitted: false, reason } as const]]) };
      }
      // It may have been executed: the sender finds out, and moves the marker past it if not.
      return { entries: [{ ...entry, expiresAt: 0 }] };
    });
    this.wake();
  }

  async dismiss(id: string | undefined): Promise<void> {
    await this.#change(() => {
      const settled = [...this.#log.entries].filter(({ verdict }) => verdict !== undefined);
      const removed = settled.filter((entry) => id === undefined || entry.id === id).map(({ seq }) => seq);
      return removed.length === 0 ? undefined : { removed };
    });
  }

  /** Something happened that may let the next attempt succeed. */
  wake(): void {
    this.#wake.abort();
  }

  #begin(): void {
    const { closed, store } = this.#options;
    this.#log.onChange = (what, others) => this.#changed(what, others);
    store.onLost = (reason) => this.#fail(new EtcdError(GrpcCode.Unavailable, `${reason}: queued writes may be lost`));
    if (this.#channel !== undefined) {
      this.#channel.onmessage = ({ data }) => {
        const range = changedRangeOf(data);
        if (range === undefined) return;
        this.#log.refresh(range).then(
          // What another tab has queued, this one may have to send.
          () => this.wake(),
          (error: unknown) => this.#fail(error),
        );
      };
    }
    const wake = (): void => this.wake();
    browser.addEventListener?.("online", wake, { signal: closed });
    browser.document?.addEventListener("visibilitychange", wake, { signal: closed });
    closed.addEventListener("abort", () => this.#close(), { once: true });
    this.#set("idle", "");
    void this.#sendWithLock();
  }

  async #append(): Promise<void> {
    this.#isAppending = true;
    while (this.#adding.length > 0) {
      const adding = this.#adding.splice(0);
      // If they do not fit together, some of them may.
      if (!(await this.#appendAll(adding)) && adding.length > 1)
        for (const each of adding) await this.#appendAll([each]);
    }
    this.#isAppending = false;
  }

  async #appendAll(adding: readonly Adding[]): Promise<boolean> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#log.append(
        adding.map(({ entry }) => entry),
        this.#options.limits,
      );
      for (const { done } of adding) done.resolve();
      this.wake();
      return true;
    } catch (error) {
      if (adding.length === 1) adding[0]?.done.reject(error);
      return false;
    }
  }

  /** Until the change is made on what is stored now. */
  async #change(change: () => Parameters<OutboxLog["commit"]>[0] | undefined): Promise<void> {
    for (;;) {
      const wanted = change();
      if (wanted === undefined || (await this.#log.commit(wanted))) return;
    }
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendWithLock(): Promise<void> {
    const { closed, name } = this.#options;
    const locks = browser.navigator?.locks;
    try {
      if (locks === undefined) return await this.#sendUntilClosed();
      await locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock === null) this.#set("elsewhere", "another tab of this browser sends the queued writes");
        else await this.#sendUntilClosed();
      });
      if (!closed.aborted) await locks.request(name, { signal: closed }, () => this.#sendUntilClosed());
    } catch (error) {
      if (!closed.aborted) this.#fail(error);
    }
  }

  async #sendUntilClosed(): Promise<void> {
    const { closed, backoff } = this.#options;
    await this.#log.reload();
    let failures = 0;
    while (!closed.aborted && this.#failure === undefined) {
      const wake = new AbortController();
      this.#wake = wake;
      const step = await this.#step();
      if (closed.aborted) return;
      this.#show(step);
      if (step.type === "again") {
        failures = 0;
        continue;
      }
      const pauseMs = step.type === "retry" ? backoffMs(failures++, RETRY_LIMIT_MS, backoff.random) : LOOK_EVERY_MS;
      await backoff.sleep(pauseMs, AbortSignal.any([wake.signal, closed]));
    }
  }

  /** The disk may be full now and not later. What could not be recorded, the marker says again. */
  async #step(): Promise<Step> {
    try {
      return await this.#sender.step();
    } catch (error) {
      if (error instanceof OutboxFullError) return { type: "retry", reason: error.message };
      throw error;
    }
  }

  #show(step: Step): void {
    if (step.type === "again") this.#set("sending", "");
    else if (step.type === "idle") this.#set("idle", "");
    else this.#set("waiting", step.reason);
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

  #changed(what: "added" | "changed", others: ChangedRange | undefined): void {
    if (others !== undefined && this.#failure === undefined) this.#channel?.postMessage(others);
    if (what === "changed") this.#settleWaiting();
    this.#showSoon();
  }

  #settleWaiting(): void {
    if (this.#verdicts.size === 0) return;
    const missing = new Set(this.#verdicts.keys());
    for (const { id, verdict } of this.#log.entries) {
      missing.delete(id);
      if (verdict === undefined) continue;
      this.#verdicts.get(id)?.resolve(verdict);
      this.#verdicts.delete(id);
    }
    for (const id of missing) {
      const text = "another tab has dismissed the verdict of this write";
      this.#verdicts.get(id)?.reject(new EtcdError(GrpcCode.NotFound, text));
      this.#verdicts.delete(id);
    }
  }

  #set(state: OutboxState, reason: string): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    if (this.#state === state && this.#reason === reason) return;
    [this.#state, this.#reason] = [state, reason];
    this.#showSoon();
  }

  /** Once for all that changes until other tasks have had their turn: a snapshot lists every entry. */
  #showSoon(): void {
    if (this.#isShowDue) return;
    this.#isShowDue = true;
    setTimeout(() => {
      this.#isShowDue = false;
      const entries = [...this.#log.entries].map((entry) => this.#shownEntry(entry));
      const pending = entries.filter(({ verdict }) => verdict === undefined).length;
      this.#options.snapshots.set({ entries, pending, state: this.#state, reason: this.#reason });
    });
  }

  #shownEntry(entry: StoredEntry): OutboxEntry {
    const isSent = entry.seq <= this.#log.meta.sentTo;
    const known = this.#shown.get(entry);
    if (known !== undefined && known.isSent === isSent) return known;
    const { id, queuedAt, expiresAt, verdict } = entry;
    const shown = { id, queuedAt, expiresAt, keys: keysOf(entry), isSent, verdict };
    this.#shown.set(entry, shown);
    return shown;
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  #fail(error: unknown): void {
    const failure =
      error instanceof EtcdError ? error : new EtcdError(GrpcCode.Internal, `the outbox failed: ${String(error)}`);
    this.#set("failed", failure.message);
    this.#end(failure);
  }

  #close(): void {
    this.#set("closed", "the client is closed");
    this.#end(
      new EtcdError(GrpcCode.Canceled, "the client is closed: the write stays queued, and its verdict comes later"),
    );
  }

  #end(failure: EtcdError): void {
    this.#failure ??= failure;
    this.wake();
    for (const { reject } of this.#verdicts.values()) reject(failure);
    this.#verdicts.clear();
    this.#channel?.close();
    this.#log.close();
  }
}

function keysOf({ write }: StoredEntry): readonly Uint8Array[] {
  if (write.type === "update") return [write.key];
  return write.operations.flatMap((operation) => {
    if (operation.type === "put") return [operation.put.key];
    return operation.type === "deleteRange" ? [operation.deleteRange.key] : [];
  });
}
