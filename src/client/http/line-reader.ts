/** Splits a stream of bytes into lines of text, one per request of the caller. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** Far above the size of any response. A stream without line breaks must not fill the memory. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const LINE_FEED = 10;

export class LineReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder: TextDecoder = new TextDecoder();
  readonly #maxLineBytes: number;
  /** The start of the next line, in the chunks in which it arrived. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  /** Received bytes after the last returned line. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>, maxLineBytes: number = MAX_LINE_BYTES) {
    this.#reader = stream.getReader();
    this.#maxLineBytes = maxLineBytes;
  }

  /** Returns the next line that is not blank; undefined at the end. An unfinished last line is dropped. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(LINE_FEED);
      if (end >= 0) {
        const line = this.#finish(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 1);
        if (line !== "") return line;
      } else {
        this.#keep(this.#rest);
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        this.#rest = value;
      }
    }
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes > this.#maxLineBytes) {
      void this.#reader.cancel();
      throw new EtcdError(
        GrpcCode.ResourceExhausted,
        `a line of the stream is longer than ${this.#maxLineBytes} bytes`,
      );
    }
  }

  #finish(last: Uint8Array): string {
    let text = "";
    for (const piece of this.#pieces) text += this.#decoder.decode(piece, { stream: true });
    text += this.#decoder.decode(last);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return text.trim();
  }
}
