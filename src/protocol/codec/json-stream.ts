/**
 * Splits a stream of bytes into consecutive JSON messages, as a client writes them into the body of a watch. Chunks may
 * be cut anywhere, even inside a character.
 */
import { assert } from "../../base/assert.ts";
import { EtcdError, GrpcCode } from "../errors.ts";
import { invalidJson } from "./json-errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class JsonStreamReader {
  readonly #limitBytes: number;
  #buffer: Uint8Array = new Uint8Array(1024);
  /** Where the current message starts, how far it has been scanned, and where the input ends so far. */
  #start: number = 0;
  #scanned: number = 0;
  #filled: number = 0;
  #depth: number = 0;
  #inString: boolean = false;
  #escaped: boolean = false;

  /** A message of more than `limitBytes` is rejected. */
  constructor(limitBytes: number) {
    assert(limitBytes > 0, "a limit above zero");
    this.#limitBytes = limitBytes;
  }

  /** Bytes of a message that is not complete. */
  get pending(): number {
    return this.#filled - this.#start;
  }

  push(chunk: Uint8Array): void {
    const kept = this.#filled - this.#start;
    if (this.#filled + chunk.length > this.#buffer.length) {
      const tooSmall = kept + chunk.length > this.#buffer.length / 2;
      const target = tooSmall ? new Uint8Array((kept + chunk.length) * 2) : this.#buffer;
      target.set(this.#buffer.subarray(this.#start, this.#filled));
      this.#buffer = target;
      this.#scanned -= this.#start;
      this.#start = 0;
      this.#filled = kept;
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  /**
   * Returns the bytes of the next complete message, for `decodeJson`; undefined if more input is needed. Call it after
   * each `push` until it returns undefined, or the input accumulates. After an error the stream cannot be used any
   * more.
   */
  next(): Uint8Array | undefined {
    if (this.#depth === 0) this.#dropSpace();
    while (this.#scanned < this.#filled) {
      const byte = this.#buffer[this.#scanned++] as number;
      const size = this.#scanned - this.#start;
      if (size > this.#limitBytes) throw this.#tooLarge(size);
      if (this.#isEnd(byte, size)) return this.#take();
    }
    return undefined;
  }

  /** Call when the input has ended. Throws if it ended inside a message. */
  end(): void {
    if (this.#depth === 0) this.#dropSpace();
    if (this.#filled > this.#start) throw invalidJson("unexpected EOF");
  }

  #isEnd(byte: number, size: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === 0x7b || byte === 0x5b) this.#depth++;
    else if (byte === 0x7d || byte === 0x5d) this.#depth--;
    else if (byte === QUOTE) this.#inString = true;
    // A message is an object, so input that starts with another character is rejected without waiting for its end.
    if (this.#depth <= 0 && size === 1) {
      throw invalidJson(`proto: syntax error (line 1:1): unexpected token ${String.fromCharCode(byte)}`);
    }
    return this.#depth === 0;
  }

  #take(): Uint8Array {
    const message = this.#buffer.slice(this.#start, this.#scanned);
    this.#start = this.#scanned;
    return message;
  }

  #dropSpace(): void {
    while (this.#start < this.#filled && isSpace(this.#buffer[this.#start] as number)) this.#start++;
    this.#scanned = this.#start;
  }

  #tooLarge(size: number): EtcdError {
    const text = `grpc: received message larger than max (${size} vs. ${this.#limitBytes})`;
    return new EtcdError(GrpcCode.ResourceExhausted, text);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
