/**
 * The ranges of a tab that another one serves. A tab that reads often keeps a copy of all keys (followed-copy.ts). Then a
 * serializable range of the newest revision needs no message, and linearizable ones share a question to the member.
 * Everything else asks the member, as do all ranges while there is no copy.
 *
 * A serializable range sees all that this tab was told before, as at the member: a copy that is behind that does not answer.
 */
import type { CallContext } from "../../member/api/services.ts";
import { checkRange } from "../../mvcc/validate.ts";
import { responseHeader } from "../../protocol/api/header.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { RangeRequest, RangeResponse } from "../../protocol/api/kv.ts";
import { FollowedCopy } from "./followed-copy.ts";
import type { CopySource } from "./followed-copy.ts";

export interface CopiedReadsOptions extends CopySource {
  readonly nowMs: () => number;
  /** The member's store is too large to be copied. */
  readonly isLarge: () => boolean;
}

/** So many ranges within that time, in ms, and a copy is made. */
export const READS_MIN = 64;
const WITHIN_MS = 1_000;
/** A copy that was not read for so long, in ms, is dropped, after twice that at the latest. */
const UNUSED_MS = 30_000;
/** After one could not be made, or was lost. */
const REST_MS = 30_000;
/** The member is asked at least so often, in ms, whether it would still answer a serializable read. */
const CHECK_EVERY_MS = 500;

export class CopiedReads {
  readonly #options: CopiedReadsOptions;
  #copy: FollowedCopy | undefined;
  #isMaking = false;
  #isClosed = false;
  /** The newest revision that this tab was told of. */
  #seen = 0;
  #header: ResponseHeader = responseHeader();
  #reads = 0;
  #countedSinceMs: number;
  #restUntilMs: number = Number.NEGATIVE_INFINITY;
  #checkedMs: number = Number.NEGATIVE_INFINITY;
  #isUsed = false;
  #unused: ReturnType<typeof setInterval> | undefined;

  constructor(options: CopiedReadsOptions) {
    this.#options = options;
    this.#countedSinceMs = options.nowMs();
  }

  range(request: RangeRequest, context: CallContext): Promise<RangeResponse> {
    if (!isOfNow(request, context)) return this.#options.range(request, context);
    const copy = this.#copy;
    if (copy === undefined) {
      this.#count();
      return this.#options.range(request, context);
    }
    this.#isUsed = true;
    return request.serializable ? this.#local(copy, request, context) : this.#linearizable(copy, request, context);
  }

  /** This tab was told of that revision. */
  noted(header: ResponseHeader): void {
    if (header.revision < this.#seen) return;
    this.#seen = header.revision;
    if (header.memberId !== 0n) this.#header = header;
  }

  /** The next ranges ask the member. */
  drop(): void {
    this.#copy?.close();
    this.#copy = undefined;
    this.#restUntilMs = this.#options.nowMs() + REST_MS;
    clearInterval(this.#unused);
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  async #local(copy: FollowedCopy, request: RangeRequest, context: CallContext): Promise<RangeResponse> {
    checkRange(request);
    if (copy.keys.revision < this.#seen) return this.#options.range(request, context);
    this.#check(copy);
    return read(copy, request, this.#header);
  }

  async #linearizable(copy: FollowedCopy, request: RangeRequest, context: CallContext): Promise<RangeResponse> {
    checkRange(request);
    const header = await copy.confirmed();
    if (header === undefined || copy !== this.#copy) return this.#options.range(request, context);
    this.#checkedMs = this.#options.nowMs();
    return read(copy, request, header);
  }

  /** Auth may have been enabled, and then nobody reads without a token. Nobody waits for the answer. */
  #check(copy: FollowedCopy): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#checkedMs < CHECK_EVERY_MS) return;
    this.#checkedMs = nowMs;
    copy.checkServing().catch(() => {
      if (copy === this.#copy) this.drop();
    });
  }

  #count(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#countedSinceMs > WITHIN_MS) {
      this.#countedSinceMs = nowMs;
      this.#reads = 0;
    }
    this.#reads += 1;
    if (this.#reads >= READS_MIN && nowMs >= this.#restUntilMs && !this.#options.isLarge()) void this.#make();
  }

  /** Does not reject. */
  async #make(): Promise<void> {
    if (this.#isMaking || this.#isClosed) return;
    this.#isMaking = true;
    const sinceMs = this.#restUntilMs;
    const onOver = (): void => {
      if (copy !== undefined && copy === this.#copy) this.drop();
    };
    const copy = await FollowedCopy.make(this.#options, onOver);
    this.#isMaking = false;
    // It was dropped before it was there.
    if (copy === undefined || copy.isOver || this.#restUntilMs !== sinceMs) {
      copy?.close();
      return this.drop();
    }
    this.#copy = copy;
    this.#unused = setInterval(() => {
      if (!this.#isUsed) this.drop();
      this.#isUsed = false;
    }, UNUSED_MS);
  }
}

/** What the copy can answer: of the newest revision, by a caller without a name. */
function isOfNow({ revision }: RangeRequest, { token, requireLeader }: CallContext): boolean {
  return revision <= 0 && token === "" && !requireLeader;
}

function read({ keys }: FollowedCopy, request: RangeRequest, header: ResponseHeader): RangeResponse {
  return { ...keys.range(request), header: { ...header, revision: keys.revision } };
}
