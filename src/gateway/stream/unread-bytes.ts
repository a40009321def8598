/**
 * Bounds what was sent and may not have been read, where a platform does not tell how much a socket has buffered. Credit
 * does not prove that anything was read: a caller can return credit for what it never took off the network. So now and
 * then a random number is sent, the mark, which only a caller that reads can return.
 */
import type { Share } from "../../member/limits/caller-budget.ts";

/** Bytes after which a mark is sent. */
const MARK_EVERY_BYTES = 64 * 1024;
/** Limit of a socket, in bytes. A caller that returns no marks is disconnected after as many. */
export const UNREAD_BYTES_MAX: number = 16 * 1024 * 1024;

interface Mark {
  readonly mark: number;
  /** Bytes since the mark before. */
  readonly bytes: number;
}

export class UnreadBytes {
  readonly #share: Share | undefined;
  readonly #takesMarks: boolean;
  #marks: Mark[] = [];
  #unmarked = 0;
  #unread = 0;

  /** `share` is absent if nothing is counted for the caller; `unread` is what a former server of the socket had sent. */
  constructor(share: Share | undefined, takesMarks: boolean, unread = 0) {
    this.#share = share;
    this.#takesMarks = takesMarks;
    this.add(unread);
  }

  /** Bytes since the last mark. */
  get unmarked(): number {
    return this.#unmarked;
  }

  /** True if all marks were returned. */
  get isRead(): boolean {
    return this.#marks.length === 0;
  }

  /** Returns false if the caller, or all together, leave too much unread. */
  add(bytes: number): boolean {
    if (this.#unread + bytes > UNREAD_BYTES_MAX || this.#share?.grow(bytes) === false) return false;
    this.#unread += bytes;
    this.#unmarked += bytes;
    return true;
  }

  /** Returns a mark to send now. */
  due(): number | undefined {
    if (!this.#takesMarks || this.#unmarked < MARK_EVERY_BYTES) return undefined;
    const [mark = 0] = crypto.getRandomValues(new Uint32Array(1));
    this.#marks.push({ mark, bytes: this.#unmarked });
    this.#unmarked = 0;
    return mark;
  }

  /** Returns false for a number that is not the oldest mark. */
  returned(number: number): boolean {
    const oldest = this.#marks.shift();
    if (oldest?.mark !== number) return false;
    this.#unread -= oldest.bytes;
    this.#share?.shrink(oldest.bytes);
    return true;
  }

  release(): void {
    this.#share?.release();
  }
}
