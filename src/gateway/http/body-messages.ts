/**
 * Yields the messages of a request's body one at a time, as they arrive. The received part of a message counts against
 * the sender's budget until the message is complete. Once a message has begun, more of it must keep arriving.
 */
import { errRequestTooManyRequests, EtcdError } from "../../protocol/errors.ts";
import { JsonStreamReader } from "../../protocol/codec/json-stream.ts";
import type { Share } from "../../member/limits/caller-budget.ts";
import { errBrokenBody, inTime } from "./body.ts";
import type { OpenShare } from "./caller-limits.ts";

export class BodyMessages {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #messages: JsonStreamReader;
  readonly #share: Share | undefined;
  /** Counted bytes of the incomplete message. */
  #held = 0;

  constructor(request: Request, maxMessageBytes: number, open?: OpenShare) {
    this.#share = open?.();
    this.#reader = request.body?.getReader();
    this.#messages = new JsonStreamReader(maxMessageBytes);
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#messages.next();
      if (message !== undefined) return message;
      this.#count(this.#messages.pending);
      const read = await this.#read();
      if (read === undefined) {
        this.#share?.release();
        this.#messages.end();
        return undefined;
      }
      this.#messages.push(read);
    }
  }

  cancel(): void {
    this.#share?.release();
    this.#reader?.cancel().catch(() => undefined);
  }

  #count(pending: number): void {
    const more = pending - this.#held;
    if (more > 0 && this.#share?.grow(more) === false) throw errRequestTooManyRequests;
    if (more < 0) this.#share?.shrink(-more);
    this.#held = pending;
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      const read = this.#reader?.read();
      if (read === undefined) return undefined;
      return (await (this.#messages.pending > 0 ? inTime(read) : read)).value;
    } catch (error) {
      throw error instanceof EtcdError ? error : errBrokenBody;
    }
  }
}
