/**
 * Keys and values in shared blocks. A typed array with its own buffer costs V8 some 400 bytes beside its content, more
 * than most small values are long. A view into a block costs 100. A block lives as long as any view into it. So owners
 * report what they drop, and move the rest when little of a block is still in use.
 */
import { EMPTY_BYTES, copyBytes } from "../../base/bytes.ts";

const BLOCK_BYTES = 32 * 1024;
/** From this size on, in bytes, a buffer of its own is cheap enough, and keeps nothing else alive. */
const OWN_BUFFER_BYTES = 4 * 1024;

export interface Block {
  readonly bytes: Uint8Array;
  used: number;
  live: number;
}

/** The position of the bytes; `block` is undefined if they have their own buffer. */
export interface Stored {
  readonly bytes: Uint8Array;
  readonly block: Block | undefined;
}

const STORED_EMPTY: Stored = { bytes: EMPTY_BYTES, block: undefined };

export class Slab {
  #current: Block = newBlock();

  store(bytes: Uint8Array): Stored {
    const length = bytes.length;
    if (length === 0) return STORED_EMPTY;
    if (length >= OWN_BUFFER_BYTES) return { bytes: copyBytes(bytes), block: undefined };
    if (this.#current.used + length > BLOCK_BYTES) this.#current = newBlock();
    const block = this.#current;
    const at = block.used;
    block.bytes.set(bytes, at);
    block.used += length;
    block.live += length;
    return { bytes: new Uint8Array(block.bytes.buffer as ArrayBuffer, at, length), block };
  }

  release(block: Block | undefined, length: number): void {
    if (block !== undefined) block.live -= length;
  }

  /** Returns whether the rest of the block should move, so that the block can be freed. */
  isSparse(block: Block | undefined): boolean {
    return block !== undefined && block !== this.#current && block.live * 2 < BLOCK_BYTES;
  }
}

function newBlock(): Block {
  return { bytes: new Uint8Array(BLOCK_BYTES), used: 0, live: 0 };
}
