/**
 * SHA-256 over bytes that come in parts. The platforms' own digest wants all of them at once, and a snapshot is larger
 * than memory.
 */
import { assert } from "./assert.ts";

const BLOCK_BYTES = 64;
const ROUND: Int32Array = fractions(64, 3);
const START: Int32Array = fractions(8, 2);

export class Sha256 {
  readonly #state: Int32Array = START.slice();
  readonly #block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  readonly #words: Int32Array = new Int32Array(64);
  #inBlock: number = 0;
  #bytes: number = 0;
  #digest: Uint8Array | undefined;

  update(bytes: Uint8Array): this {
    assert(this.#digest === undefined, "a digest that was taken takes no more bytes");
    this.#bytes += bytes.length;
    let at = 0;
    if (this.#inBlock > 0) {
      at = Math.min(BLOCK_BYTES - this.#inBlock, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#inBlock);
      this.#inBlock += at;
      if (this.#inBlock < BLOCK_BYTES) return this;
      this.#mix(this.#block, 0);
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.#mix(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#inBlock = bytes.length - at;
    return this;
  }

  digest(): Uint8Array {
    if (this.#digest !== undefined) return this.#digest;
    const bits = this.#bytes * 8;
    const padding = new Uint8Array(this.#inBlock < 56 ? 64 - this.#inBlock : 128 - this.#inBlock);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 0x1_0000_0000));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    const digest = new Uint8Array(32);
    const out = new DataView(digest.buffer);
    this.#state.forEach((value, at) => out.setUint32(4 * at, value));
    this.#digest = digest;
    return digest;
  }

  #mix(bytes: Uint8Array, from: number): void {
    const words = this.#words;
    for (let at = 0, byte = from; at < 16; at++, byte += 4) {
      words[at] =
        (u8(bytes, byte) << 24) | (u8(bytes, byte + 1) << 16) | (u8(bytes, byte + 2) << 8) | u8(bytes, byte + 3);
    }
    for (let at = 16; at < 64; at++) {
      const early = word(words, at - 15);
      const late = word(words, at - 2);
      const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
      const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
      words[at] = (word(words, at - 16) + s0 + word(words, at - 7) + s1) | 0;
    }
    const state = this.#state;
    let a = word(state, 0);
    let b = word(state, 1);
    let c = word(state, 2);
    let d = word(state, 3);
    let e = word(state, 4);
    let f = word(state, 5);
    let g = word(state, 6);
    let h = word(state, 7);
    for (let at = 0; at < 64; at++) {
      const choice = (e & f) ^ (~e & g);
      const majority = (a & b) ^ (a & c) ^ (b & c);
      const one = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + word(ROUND, at) + word(words, at)) | 0;
      const two = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] = word(state, 0) + a;
    state[1] = word(state, 1) + b;
    state[2] = word(state, 2) + c;
    state[3] = word(state, 3) + d;
    state[4] = word(state, 4) + e;
    state[5] = word(state, 5) + f;
    state[6] = word(state, 6) + g;
    state[7] = word(state, 7) + h;
  }
}

function u8(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function word(words: Int32Array, at: number): number {
  return words[at] as number;
}

function rotate(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits));
}

/** The standard's constants: 32 bits behind the point of the square or cube roots of the first primes. */
function fractions(count: number, root: 2 | 3): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return Int32Array.from(primes, (prime) =>
    Number(integerRoot(BigInt(prime) << BigInt(32 * root), root) & 0xffff_ffffn),
  );
}

function integerRoot(value: bigint, root: 2 | 3): bigint {
  let low = 0n;
  let high = 1n << 40n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** BigInt(root) <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}
