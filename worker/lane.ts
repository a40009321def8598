/**
 * Many calls, one request: to ask another object costs more than a put does, so what comes while a request is on its way
 * waits, and leaves together with all that waits when that one is back.
 *
 *     a ──► nobody is on the way: goes ────► back: a is answered, b is told to go
 *     b ──► waits                          ► goes and takes c and d along ───────► back: b, c, d are answered
 *     c ──► waits                                                                ► answered in b's request
 *     d ──► waits                                                                ► answered in b's request
 *
 * Each call is an event of its own to the platform, which ends an event that waits for nothing but another event, and
 * which may lose one together with its client. So whoever waits looks up from time to time: if it has not left by then,
 * it goes by itself, and takes along who else is there. Therefore nothing waits long behind a slow request either.
 */

/** Made in the event of whoever goes. Rejects when nobody knows what came of the calls. */
export type Send<Call, Answer> = (calls: readonly Call[]) => Promise<readonly Answer[]>;

interface Entry<Call, Answer> {
  readonly call: Call;
  tell: ((outcome: Outcome<Answer>) => void) | undefined;
}

type Outcome<Answer> =
  | { readonly type: "go" }
  | { readonly type: "answer"; readonly answer: Answer }
  | { readonly type: "lost"; readonly error: unknown };

const CALLS_MAX = 256;
const CHARACTERS_MAX = 1024 * 1024;
/** Far above what a request takes while all is well. */
const LOOK_UP_MS = 100;
/** In all far above the time-out of every call. */
const LOOKS_MAX = 300;

export class Lane<Call extends { readonly body: string }, Answer> {
  #waiting: Entry<Call, Answer>[] = [];
  /** Who was told to go last and is not back. */
  #going: Entry<Call, Answer> | undefined;
  #wentMs = 0;

  async ask(call: Call, send: Send<Call, Answer>): Promise<Answer> {
    const own: Entry<Call, Answer> = { call, tell: undefined };
    if (this.#isFree) return this.#go(own, send);
    const outcome = await this.#told(own);
    if (outcome.type === "go") return this.#go(own, send);
    if (outcome.type === "lost") throw outcome.error;
    return outcome.answer;
  }

  get #isFree(): boolean {
    return this.#going === undefined || Date.now() - this.#wentMs > LOOK_UP_MS;
  }

  async #told(own: Entry<Call, Answer>): Promise<Outcome<Answer>> {
    // Not `new Promise`: workerd lets a promise go on in the event that made it, whoever settles it, but once the making
    // is compiled it forgets which event that was. Then a call would go on as somebody else, and could not answer.
    const { promise, resolve } = Promise.withResolvers<Outcome<Answer>>();
    own.tell = resolve;
    this.#waiting.push(own);
    let looks = 0;
    const timer = setInterval(() => {
      looks += 1;
      if (this.#waiting.includes(own)) this.#tellToGo(own);
      else if (looks === LOOKS_MAX) tell(own, { type: "lost", error: new Error("its answer was lost") });
    }, LOOK_UP_MS);
    try {
      return await promise;
    } finally {
      // In its own event, and not where it is told: a timer belongs to its event.
      clearInterval(timer);
    }
  }

  async #go(own: Entry<Call, Answer>, send: Send<Call, Answer>): Promise<Answer> {
    this.#going = own;
    this.#wentMs = Date.now();
    const others = this.#takeAlong(own);
    try {
      const answers = await send([own.call, ...others.map(({ call }) => call)]);
      others.forEach((other, at) => tell(other, { type: "answer", answer: answers[at + 1] as Answer }));
      return answers[0] as Answer;
    } catch (error) {
      for (const other of others) tell(other, { type: "lost", error });
      throw error;
    } finally {
      // Unless it took so long that somebody went behind it.
      if (this.#going === own) {
        this.#going = undefined;
        const next = this.#waiting[0];
        if (next !== undefined) this.#tellToGo(next);
      }
    }
  }

  /** From now on nobody takes it along: it would be asked twice. */
  #tellToGo(entry: Entry<Call, Answer>): void {
    this.#waiting.splice(this.#waiting.indexOf(entry), 1);
    this.#going = entry;
    this.#wentMs = Date.now();
    tell(entry, { type: "go" });
  }

  #takeAlong(own: Entry<Call, Answer>): readonly Entry<Call, Answer>[] {
    let count = 0;
    let characters = own.call.body.length;
    for (const { call } of this.#waiting) {
      characters += call.body.length;
      if (count + 1 === CALLS_MAX || characters > CHARACTERS_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

function tell<Call, Answer>(entry: Entry<Call, Answer>, outcome: Outcome<Answer>): void {
  entry.tell?.(outcome);
  entry.tell = undefined;
}
