/**
 * The only source of random numbers. One seed decides the whole sequence, so a run can be repeated from its seed alone.
 * The state is four 32-bit words (xoshiro128**), filled from the seed by splitmix64, so that close seeds give unrelated
 * streams. Do not use it for secrets.
 */
import { assert } from "./assert.ts";

const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Pseudo-random numbers from a seed. The same seed gives the same numbers. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number | bigint) {
    assert(typeof seed === "bigint" || Number.isSafeInteger(seed), "a seed is an integer");
    const first = splitmix64(BigInt(seed) & MASK_64);
    const second = splitmix64(first.state);
    this.#a = Number(first.value & 0xffff_ffffn) | 0;
    this.#b = Number(first.value >> 32n) | 0;
    this.#c = Number(second.value & 0xffff_ffffn) | 0;
    this.#d = Number(second.value >> 32n) | 0;
    // The all-zero state is the one fixed point of the generator.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 1;
  }

  /** Returns a uniform number in [0, 1), with 53 random bits. */
  next(): number {
    const high = this.#u32() >>> 5;
    const low = this.#u32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** Returns a uniform integer in [low, highExclusive). */
  int(low: number, highExclusive: number): number {
    assert(Number.isSafeInteger(low) && Number.isSafeInteger(highExclusive), "bounds are integers");
    assert(low < highExclusive, "the range is not empty");
    return low + Math.floor(this.next() * (highExclusive - low));
  }

  bool(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, "something to pick from");
    return items[this.int(0, items.length)] as T;
  }

  u64(): bigint {
    const high = BigInt(this.#u32());
    return (high << 32n) | BigInt(this.#u32());
  }

  /** Returns a generator with its own stream. Its draws do not advance this one. */
  fork(): Prng {
    return new Prng(this.u64());
  }

  #u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result >>> 0;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function splitmix64(state: bigint): { readonly state: bigint; readonly value: bigint } {
  const next = (state + 0x9e37_79b9_7f4a_7c15n) & MASK_64;
  let mixed = next;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK_64;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK_64;
  return { state: next, value: mixed ^ (mixed >> 31n) };
}
