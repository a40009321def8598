/**
 * Many calls, one request: to ask another object costs more than a put does, so what comes while a request is on its way
 * waits, and leaves together with all that waits when that one is back.
 *
 *     a ──► nobody is on the way: goes ────► back: a is answered, b is told to go
 *     b ──► waits                          ► goes and takes c and d along ───────► back: b, c, d are answered
 *     c ──► waits                                                                ► answered in b's request
 *     d ──► waits                                                                ► answered in b's request
 *
 * Callers have turns. Who has nothing on the way need not wait for a request of others, as long as few are under way; a
 * request takes calls of all who wait, one caller after the other; and while several call, one of them has no more on
 * its way than a little more than the busiest of the others (`shareOf`). So who sends a flood of calls waits, and the
 * others hardly do.
 *
 * Each call is an event of its own to the platform, which ends an event that waits for nothing but another event, and
 * which may lose one together with its client. So whoever waits looks up from time to time: if those who are on the way
 * have been away for long, it goes by itself, and takes along who else is there. Therefore nothing waits long behind a
 * slow request either.
 */
import { FairQueue } from "../../src/member/limits/fair-queue.ts";
import { RecentCallers } from "../../src/member/limits/recent-callers.ts";

/** Made in the event of whoever goes. Rejects when nobody knows what came of the calls. */
export type Send<Call, Answer> = (calls: readonly Call[]) => Promise<readonly Answer[]>;

interface LaneCall {
  readonly body: string;
  /** Whose it is; absent: nobody knows. */
  readonly caller?: string | undefined;
}

interface Entry<Call, Answer> {
  readonly call: Call;
  readonly caller: string;
  /** To be told to go, or to be taken along. */
  isWaiting: boolean;
  resolve: ((outcome: Turn<Answer>) => void) | undefined;
}

/** A request that was told to go. */
interface Trip {
  readonly atMs: number;
  readonly callers: Set<string>;
}

type Turn<Answer> =
  | { readonly type: "go"; readonly trip: Trip }
  | { readonly type: "answer"; readonly answer: Answer }
  | { readonly type: "lost"; readonly error: unknown };

const CALLS_MAX = 256;
const CHARACTERS_MAX = 1024 * 1024;
/** Requests under way at once, of different callers. */
const TRIPS_MAX = 4;
/** Far above what a request takes while all is well; one that takes longer holds up nobody. */
const CHECK_MS = 100;
/** In all far above the time-out of every call. */
const CHECKS_MAX = 300;
const TURN_CHARACTERS = 4096;
const AROUND_CALL_CHARACTERS = 512;

export class RequestBatcher<Call extends LaneCall, Answer> {
  readonly #waiting: FairQueue<Entry<Call, Answer>> = new FairQueue({
    weightOf: ({ call }) => call.body.length + AROUND_CALL_CHARACTERS,
    quantum: TURN_CHARACTERS,
  });
  readonly #trips: Set<Trip> = new Set();
  readonly #recent: RecentCallers = new RecentCallers(CALLS_MAX, () => Date.now());

  async send(call: Call, send: Send<Call, Answer>): Promise<Answer> {
    const own: Entry<Call, Answer> = { call, caller: call.caller ?? "", isWaiting: false, resolve: undefined };
    this.#recent.began(own.caller);
    try {
      if (this.#mayGo(own.caller)) return await this.#sendBatch(own, this.#trip(own), send);
      const outcome = await this.#turnOf(own);
      if (outcome.type === "go") return await this.#sendBatch(own, outcome.trip, send);
      if (outcome.type === "lost") throw outcome.error;
      return outcome.answer;
    } finally {
      this.#recent.ended(own.caller);
    }
  }

  #mayGo(caller: string): boolean {
    const nowMs = Date.now();
    for (const trip of this.#trips) if (nowMs - trip.atMs > CHECK_MS) this.#trips.delete(trip);
    return this.#trips.size < TRIPS_MAX && !this.#isOnTheWay(caller);
  }

  #isOnTheWay(caller: string): boolean {
    for (const { callers } of this.#trips) if (callers.has(caller)) return true;
    return false;
  }

  async #turnOf(own: Entry<Call, Answer>): Promise<Turn<Answer>> {
    // Not `new Promise`: workerd lets a promise go on in the event that made it, whoever settles it, but once the making
    // is compiled it forgets which event that was. Then a call would go on as somebody else, and could not answer.
    const { promise, resolve } = Promise.withResolvers<Turn<Answer>>();
    own.resolve = resolve;
    own.isWaiting = true;
    this.#waiting.push(own.caller, own);
    let looks = 0;
    const timer = setInterval(() => {
      looks += 1;
      if (own.isWaiting && this.#mayGo(own.caller)) this.#startNext(own);
      else if (!own.isWaiting && looks >= CHECKS_MAX)
        resolveEntry(own, { type: "lost", error: new Error("its answer was lost") });
    }, CHECK_MS);
    try {
      return await promise;
    } finally {
      // In its own event, and not where it is told: a timer belongs to its event.
      clearInterval(timer);
    }
  }

  async #sendBatch(own: Entry<Call, Answer>, trip: Trip, send: Send<Call, Answer>): Promise<Answer> {
    const others = this.#takeBatch(own, trip);
    try {
      const answers = await send([own.call, ...others.map(({ call }) => call)]);
      others.forEach((other, at) => resolveEntry(other, { type: "answer", answer: answers[at + 1] as Answer }));
      return answers[0] as Answer;
    } catch (error) {
      for (const other of others) resolveEntry(other, { type: "lost", error });
      throw error;
    } finally {
      this.#trips.delete(trip);
      this.#next();
    }
  }

  /** Whoever's turn it is, of those who have nothing on the way. */
  #next(): void {
    for (const caller of this.#waiting.callers) {
      if (!this.#mayGo(caller)) continue;
      const entry = this.#waiting.first(caller);
      if (entry !== undefined) return this.#startNext(entry);
    }
  }

  #trip({ caller }: Entry<Call, Answer>): Trip {
    const trip: Trip = { atMs: Date.now(), callers: new Set([caller]) };
    this.#trips.add(trip);
    return trip;
  }

  /** From now on nobody takes it along: it would be asked twice. */
  #startNext(entry: Entry<Call, Answer>): void {
    this.#leave([entry]);
    resolveEntry(entry, { type: "go", trip: this.#trip(entry) });
  }

  #takeBatch(own: Entry<Call, Answer>, trip: Trip): readonly Entry<Call, Answer>[] {
    let characters = own.call.body.length;
    const shares = new Map<string, number>();
    for (const caller of this.#waiting.callers) {
      const isElsewhere = !trip.callers.has(caller) && this.#isOnTheWay(caller);
      const share = this.#recent.shareOf(caller) - (caller === own.caller ? 1 : 0);
      shares.set(caller, isElsewhere ? 0 : share);
    }
    const along = this.#waiting.select(({ call }, caller, ofCaller, count) => {
      if (count + 1 === CALLS_MAX || ofCaller >= (shares.get(caller) ?? 0)) return false;
      if (characters + call.body.length > CHARACTERS_MAX) return false;
      characters += call.body.length;
      trip.callers.add(caller);
      return true;
    });
    this.#leave(along);
    return along;
  }

  #leave(entries: readonly Entry<Call, Answer>[]): void {
    for (const entry of entries) entry.isWaiting = false;
    this.#waiting.remove(entries);
  }
}

function resolveEntry<Call, Answer>(entry: Entry<Call, Answer>, outcome: Turn<Answer>): void {
  entry.resolve?.(outcome);
  entry.resolve = undefined;
}
