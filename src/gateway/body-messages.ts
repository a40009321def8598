/** The messages in a request's body, one at a time, as they arrive. */
import { EtcdError } from "../protocol/errors.ts";
import { JsonStreamReader } from "../protocol/json-stream.ts";
import { errBrokenBody } from "./body.ts";

export class BodyMessages {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #messages: JsonStreamReader;

  constructor(request: Request, maxMessageBytes: number) {
    this.#reader = request.body?.getReader();
    this.#messages = new JsonStreamReader(maxMessageBytes);
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#messages.next();
      if (message !== undefined) return message;
      const read = await this.#read();
      if (read === undefined) {
        this.#messages.end();
        return undefined;
      }
      this.#messages.push(read);
    }
  }

  cancel(): void {
    this.#reader?.cancel().catch(() => undefined);
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      return (await this.#reader?.read())?.value;
    } catch (error) {
      throw error instanceof EtcdError ? error : errBrokenBody;
    }
  }
}
