/**
 * A copy of all keys that follows the member in another tab: a list of one revision, and a watch of everything from the next
 * one on.
 *
 * A linearizable read needs the newest revision of a moment after it began. It asks the member for that, together with all
 * reads of the same moment, and waits until the copy has it.
 */
import { keyAfter } from "../../mvcc/range/key-range.ts";
import type { CallContext, WatchStream } from "../../member/api/services.ts";
import { rangeRequest } from "../../protocol/api/kv.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "../../protocol/api/kv.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import { watchCreateRequest } from "../../protocol/api/watch.ts";
import { KeyCopy } from "./key-copy.ts";

/** The member in the other tab. */
export interface CopySource {
  readonly range: (request: RangeRequest, context: CallContext) => Promise<RangeResponse>;
  readonly watch: (context: CallContext) => WatchStream;
}

/** A larger room is not copied: each tab would hold all of it. */
export const COPIED_KEYS_MAX = 50_000;
const COPIED_BYTES_MAX = 16 * 1024 * 1024;
const PAIR_BYTES = 64;
const PAGE = 500;
/** What the member confirms is mostly here already. A copy that lags longer, in ms, does not answer. */
const LAG_MAX_MS = 100;
/** Questions under way at the same time. */
const ROUNDS_MAX = 2;

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };
/** Also the end of a range without one. */
const FIRST_KEY = Uint8Array.of(0);
/** The shortest request that has the member's revision in its response. */
const PROBE: RangeRequest = rangeRequest({ key: FIRST_KEY, countOnly: true });
const LOCAL_PROBE: RangeRequest = rangeRequest({ key: FIRST_KEY, countOnly: true, serializable: true });

export class FollowedCopy {
  readonly keys: KeyCopy;
  readonly #source: CopySource;
  readonly #stream: WatchStream;
  readonly #underWay: Set<Promise<unknown>> = new Set();
  /** Of reads that wait for the next question, which is not sent yet. */
  #next: Promise<ResponseHeader | undefined> | undefined;
  #waiting: { readonly revision: number; readonly resolve: (isHere: boolean) => void }[] = [];
  #isOver = false;

  private constructor(keys: KeyCopy, source: CopySource, stream: WatchStream, onOver: () => void) {
    this.keys = keys;
    this.#source = source;
    this.#stream = stream;
    void this.#follow().then(onOver);
  }

  /** Resolves with undefined where there is too much, or somebody may not read everything. `onOver` is called once. */
  static async make(source: CopySource, onOver: () => void): Promise<FollowedCopy | undefined> {
    try {
      const listed = await list(source);
      if (listed === undefined) return undefined;
      const stream = source.watch(NO_CONTEXT);
      const all = { key: FIRST_KEY, rangeEnd: FIRST_KEY, startRevision: listed.revision + 1 };
      stream.request({ type: "create", create: watchCreateRequest(all) });
      const created = await stream.next();
      if (created?.created === true && !created.canceled) {
        return new FollowedCopy(new KeyCopy(listed.pairs, listed.revision), source, stream, onOver);
      }
      stream.close();
    } catch {
      // Whoever reads asks the member, and is told by it what is wrong.
    }
    return undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Resolves with a header of the member once the copy has all that was committed before the call. Resolves with undefined
   * if it does not come in time. Rejects as a linearizable read does.
   */
  confirmed(): Promise<ResponseHeader | undefined> {
    this.#next ??= this.#round();
    return this.#next;
  }

  /** Rejects if the member would refuse a serializable read without a token. */
  async checkServing(): Promise<void> {
    await this.#source.range(LOCAL_PROBE, NO_CONTEXT);
  }

  close(): void {
    this.#end();
    this.#stream.close();
  }

  async #round(): Promise<ResponseHeader | undefined> {
    // The reads of one turn come one after the other.
    await Promise.resolve();
    while (this.#underWay.size >= ROUNDS_MAX) await Promise.race(this.#underWay);
    // Reads from now on need a later answer.
    this.#next = undefined;
    const asked = this.#source.range(PROBE, NO_CONTEXT);
    const ended = asked.then(ignore, ignore).then(() => void this.#underWay.delete(ended));
    this.#underWay.add(ended);
    const { header } = await asked;
    return (await this.#reached(header.revision)) ? header : undefined;
  }

  /** Resolves with false if that takes too long. */
  #reached(revision: number): boolean | Promise<boolean> {
    if (this.#isOver) return false;
    if (this.keys.revision >= revision) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), LAG_MAX_MS);
      this.#waiting.push({
        revision,
        resolve: (isHere) => {
          clearTimeout(timer);
          resolve(isHere);
        },
      });
    });
  }

  /** Resolves when it is over. */
  async #follow(): Promise<void> {
    try {
      for (;;) {
        const response = await this.#stream.next();
        if (this.#isOver || response === undefined || response.canceled) break;
        this.keys.apply(response.events);
        this.#wake();
      }
    } catch {
      // The connection is gone.
    }
    this.#end();
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    const { revision: here } = this.keys;
    for (const { revision, resolve } of this.#waiting) if (revision <= here) resolve(true);
    this.#waiting = this.#waiting.filter(({ revision }) => revision > here);
  }

  #end(): void {
    this.#isOver = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }
}

interface Listed {
  readonly pairs: readonly KeyValue[];
  readonly revision: number;
}

async function list({ range }: CopySource): Promise<Listed | undefined> {
  const pairs: KeyValue[] = [];
  let [key, revision, bytes]: [Uint8Array, number, number] = [FIRST_KEY, 0, 0];
  for (;;) {
    const page = rangeRequest({ key, rangeEnd: FIRST_KEY, limit: PAGE, revision, serializable: true });
    const { header, kvs, count, more } = await range(page, NO_CONTEXT);
    if (revision === 0) ({ revision } = header);
    for (const pair of kvs) bytes += pair.key.length + pair.value.length + PAIR_BYTES;
    if (pairs.length + count > COPIED_KEYS_MAX || bytes > COPIED_BYTES_MAX) return undefined;
    pairs.push(...kvs);
    const last = kvs.at(-1);
    if (!more || last === undefined) return { pairs, revision };
    key = keyAfter(last.key);
  }
}

function ignore(): void {}
