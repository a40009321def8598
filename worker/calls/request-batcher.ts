/**
 * Batches calls to one Durable Object, because a cross-object request costs more than a put. Calls that arrive while a
 * batch is in flight leave with the next one (at most 256 calls or 1 Mi characters).
 *
 *     a ──► none is in flight: sends ─────► returns: a has its result, b is woken
 *     b ──► waits                         ► sends a batch with c and d ────────────► returns: b, c, d have their results
 *     c ──► waits                                                                  ► in b's batch
 *     d ──► waits                                                                  ► in b's batch
 *
 * The clients of a batch with several calls come again together, or nearly so. The next batch waits a moment for them:
 * each batch is billed as a row in the log of every member and as requests between them.
 *
 * Callers are served fairly. A caller with nothing in flight need not wait for the batch of another one, as long as few
 * are in flight. A batch takes calls of all waiting callers, one caller after the other. While several callers are
 * active, none has many more calls in flight than the busiest of the others (`shareOf`). So a caller that sends a flood
 * of calls waits, and the others hardly do.
 *
 * Each call runs in its own platform event. The platform may cancel an event that only waits for another one, or whose
 * client is gone. So the first waiting call of a caller checks every 100 ms: if the batches in flight take long, it sends
 * the next batch itself, with those behind it. These check every second, in case the first one is gone. For the same
 * reason no call waits long behind a slow batch.
 */
import { FairQueue } from "../../src/member/limits/fair-queue.ts";
import { RecentCallers } from "../../src/member/limits/recent-callers.ts";

/**
 * Sends one batch, in the event of the call that started it. Rejects if the outcome is unknown: the calls may or may
 * not have been executed.
 */
export type Send<Call, Result> = (calls: readonly Call[]) => Promise<readonly Result[]>;

interface BatchableCall {
  readonly body: string;
  /** Whom the call counts for; absent if unknown. */
  readonly caller?: string | undefined;
}

interface Entry<Call, Result> {
  readonly call: Call;
  readonly caller: string;
  /** Whether it waits to be woken or to be taken into a batch. */
  isWaiting: boolean;
  resolve: ((outcome: Turn<Result>) => void) | undefined;
}

/** A batch in flight. */
interface InFlightBatch {
  readonly atMs: number;
  readonly callers: Set<string>;
}

type Turn<Result> =
  | { readonly type: "send"; readonly batch: InFlightBatch }
  | { readonly type: "result"; readonly result: Result }
  | { readonly type: "lost"; readonly error: unknown };

const CALLS_MAX = 256;
const CHARACTERS_MAX = 1024 * 1024;
/** Maximum number of batches in flight, of different callers. */
const IN_FLIGHT_MAX = 4;
/** What a call may wait so that others come along. Only a call that follows a batch of several does. */
const GATHER_MS = 2;
/** Far above the duration of a batch in normal operation. A batch that takes longer delays no other call. */
const CHECK_MS = 100;
/** For a call behind another one of its caller. Each check of each call is an event of its own. */
const CHECK_BEHIND_MS = 1_000;
/** Far above the time-out of every call. */
const LOST_AFTER_MS = 30_000;
const TURN_CHARACTERS = 4096;
const AROUND_CALL_CHARACTERS = 512;

export class RequestBatcher<Call extends BatchableCall, Result> {
  readonly #waiting: FairQueue<Entry<Call, Result>> = new FairQueue({
    weightOf: ({ call }) => call.body.length + AROUND_CALL_CHARACTERS,
    quantum: TURN_CHARACTERS,
  });
  readonly #inFlight: Set<InFlightBatch> = new Set();
  /** The last batch that was sent had several calls. */
  #hasCompany: boolean = false;
  readonly #recent: RecentCallers = new RecentCallers(CALLS_MAX, () => Date.now());

  async send(call: Call, send: Send<Call, Result>): Promise<Result> {
    const own: Entry<Call, Result> = { call, caller: call.caller ?? "", isWaiting: false, resolve: undefined };
    this.#recent.began(own.caller);
    try {
      if (this.#maySend(own.caller)) return await this.#sendBatch(own, this.#start(own), send);
      const outcome = await this.#turnOf(own);
      if (outcome.type === "send") return await this.#sendBatch(own, outcome.batch, send);
      if (outcome.type === "lost") throw outcome.error;
      return outcome.result;
    } finally {
      this.#recent.ended(own.caller);
    }
  }

  #maySend(caller: string): boolean {
    const nowMs = Date.now();
    for (const batch of this.#inFlight) if (nowMs - batch.atMs > CHECK_MS) this.#inFlight.delete(batch);
    return this.#inFlight.size < IN_FLIGHT_MAX && !this.#isInFlight(caller);
  }

  #isInFlight(caller: string): boolean {
    for (const { callers } of this.#inFlight) if (callers.has(caller)) return true;
    return false;
  }

  async #turnOf(own: Entry<Call, Result>): Promise<Turn<Result>> {
    // Do not use `new Promise`. workerd resumes a promise in the event that created it, but loses track of that event
    // once the constructor call is JIT-compiled. The call would resume in another event and could not respond.
    const { promise, resolve } = Promise.withResolvers<Turn<Result>>();
    own.resolve = resolve;
    own.isWaiting = true;
    const checkMs = this.#waiting.first(own.caller) === undefined ? CHECK_MS : CHECK_BEHIND_MS;
    this.#waiting.push(own.caller, own);
    let waitedMs = 0;
    const timer = setInterval(() => {
      waitedMs += checkMs;
      if (own.isWaiting && this.#maySend(own.caller)) this.#wake(own);
      else if (!own.isWaiting && waitedMs >= LOST_AFTER_MS)
        resolveEntry(own, { type: "lost", error: new Error("its answer was lost") });
    }, checkMs);
    try {
      return await promise;
    } finally {
      // In its own event, not in the one that resolves it: a timer belongs to its event.
      clearInterval(timer);
    }
  }

  async #sendBatch(own: Entry<Call, Result>, batch: InFlightBatch, send: Send<Call, Result>): Promise<Result> {
    if (this.#hasCompany) await gathered();
    const others = this.#takeBatch(own, batch);
    this.#hasCompany = others.length > 0;
    try {
      const results = await send([own.call, ...others.map(({ call }) => call)]);
      others.forEach((other, at) => resolveEntry(other, { type: "result", result: results[at + 1] as Result }));
      return results[0] as Result;
    } catch (error) {
      for (const other of others) resolveEntry(other, { type: "lost", error });
      throw error;
    } finally {
      this.#inFlight.delete(batch);
      this.#wakeNext();
    }
  }

  /** Wakes the next caller in turn that has nothing in flight. */
  #wakeNext(): void {
    for (const caller of this.#waiting.callers) {
      if (!this.#maySend(caller)) continue;
      const entry = this.#waiting.first(caller);
      if (entry !== undefined) return this.#wake(entry);
    }
  }

  #start({ caller }: Entry<Call, Result>): InFlightBatch {
    const batch: InFlightBatch = { atMs: Date.now(), callers: new Set([caller]) };
    this.#inFlight.add(batch);
    return batch;
  }

  /** Leaves the queue first, so that no batch takes it along: it would be executed twice. */
  #wake(entry: Entry<Call, Result>): void {
    this.#leave([entry]);
    resolveEntry(entry, { type: "send", batch: this.#start(entry) });
  }

  #takeBatch(own: Entry<Call, Result>, batch: InFlightBatch): readonly Entry<Call, Result>[] {
    let characters = own.call.body.length;
    const shares = new Map<string, number>();
    for (const caller of this.#waiting.callers) {
      const isElsewhere = !batch.callers.has(caller) && this.#isInFlight(caller);
      const share = this.#recent.shareOf(caller) - (caller === own.caller ? 1 : 0);
      shares.set(caller, isElsewhere ? 0 : share);
    }
    const taken = this.#waiting.select(({ call }, caller, ofCaller, count) => {
      if (count + 1 === CALLS_MAX || ofCaller >= (shares.get(caller) ?? 0)) return false;
      if (characters + call.body.length > CHARACTERS_MAX) return false;
      characters += call.body.length;
      batch.callers.add(caller);
      return true;
    });
    this.#leave(taken);
    return taken;
  }

  #leave(entries: readonly Entry<Call, Result>[]): void {
    for (const entry of entries) entry.isWaiting = false;
    this.#waiting.remove(entries);
  }
}

/** No `new Promise` here either; see `#turnOf`. */
function gathered(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, GATHER_MS);
  return promise;
}

function resolveEntry<Call, Result>(entry: Entry<Call, Result>, outcome: Turn<Result>): void {
  entry.resolve?.(outcome);
  entry.resolve = undefined;
}
