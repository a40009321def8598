/**
 * Checks whether a text is JSON, and where its first value ends. JSON.parse would do that too, but it converts long
 * integers to floats. So the text is checked here, and the codec then reads it in place without checks of its own. The
 * error texts are those of Go's scanner, which clients of etcd's gateway know.
 */
import type { EtcdError } from "../errors.ts";
import { invalidJson } from "./json-errors.ts";
import { checkPairs } from "./json-pairs.ts";
import type { JsonWhole } from "./json-whole.ts";

/** etcd's limit. */
export const JSON_DEPTH_MAX = 10_000;

/**
 * Returns where the value that starts at or after `from` ends. Throws an `EtcdError` if there is none. Go looks for
 * halves of surrogate pairs only when it reads the strings, after the whole text was accepted as JSON: then `whole` is
 * known.
 */
export function scanJsonValue(text: string, from: number, whole?: JsonWhole): number {
  const scanner = new Scanner(text, skipSpace(text, from), whole);
  scanner.value();
  return scanner.at;
}

export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at;
}

class Scanner {
  at: number;
  readonly #text: string;
  readonly #whole: JsonWhole | undefined;

  constructor(text: string, start: number, whole: JsonWhole | undefined) {
    this.#text = text;
    this.#whole = whole;
    this.at = start;
  }

  /** Scans a value with all values in it. Open brackets are kept in a list, so depth costs no JavaScript stack. */
  value(): void {
    const unit = this.#text.charCodeAt(this.at);
    if (unit !== 0x7b && unit !== 0x5b) return this.#scalar(unit);
    const open: number[] = [];
    do this.#element(open);
    while (this.#goesOn(open));
  }

  /** Opens brackets, up to the first value without one. */
  #element(open: number[]): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.at);
      if (unit !== 0x7b && unit !== 0x5b) return this.#scalar(unit);
      if (open.length === JSON_DEPTH_MAX) throw this.#invalid("exceeded max depth");
      this.at++;
      this.#space();
      const closing = unit + 2;
      if (this.#closes(closing)) return;
      open.push(closing);
      if (closing === 0x7d) this.#key();
    }
  }

  /** After a value: closes what ends with it, and returns whether another one follows. */
  #goesOn(open: number[]): boolean {
    for (let closing = open.at(-1); closing !== undefined; closing = open.at(-1)) {
      this.#space();
      if (this.#closes(closing)) {
        open.pop();
        continue;
      }
      const isObject = closing === 0x7d;
      if (this.#text.charCodeAt(this.at) !== 0x2c) {
        throw this.#invalid(isObject ? "after object key:value pair" : "after array element");
      }
      this.at++;
      this.#space();
      if (isObject) this.#key();
      return true;
    }
    return false;
  }

  #key(): void {
    if (this.#text.charCodeAt(this.at) !== 0x22) throw this.#invalid("looking for beginning of object key string");
    this.#string();
    this.#space();
    if (this.#text.charCodeAt(this.at) !== 0x3a) throw this.#invalid("after object key");
    this.at++;
    this.#space();
  }

  #scalar(unit: number): void {
    if (unit === 0x22) this.#string();
    else if (unit === 0x2d || isDigit(unit)) this.#number();
    else if (unit === 0x74) this.#word("true");
    else if (unit === 0x66) this.#word("false");
    else if (unit === 0x6e) this.#word("null");
    else throw this.#invalid("looking for beginning of value");
  }

  #closes(bracket: number): boolean {
    if (this.#text.charCodeAt(this.at) !== bracket) return false;
    this.at++;
    return true;
  }

  #string(): void {
    const text = this.#text;
    const start = this.at;
    let mayHaveHalves = false;
    this.at++;
    for (;;) {
      const unit = text.charCodeAt(this.at);
      if (unit === 0x22) break;
      if (unit === 0x5c) {
        mayHaveHalves = true;
        this.#escape();
      } else if (!(unit >= 0x20)) throw this.#invalid("in string literal");
      else {
        if (unit >= 0xd800 && unit <= 0xdfff) mayHaveHalves = true;
        this.at++;
      }
    }
    this.at++;
    if (mayHaveHalves && this.#whole !== undefined) checkPairs(text, start, this.#whole);
  }

  #escape(): void {
    this.at++;
    if (this.#text.charCodeAt(this.at) === 0x75) return this.#hex();
    if (!'"\\/bfnrt'.includes(this.#text.charAt(this.at)) || this.at >= this.#text.length) {
      throw this.#invalid("in string escape code");
    }
    this.at++;
  }

  /** Reads the four digits after the `u` here. */
  #hex(): void {
    for (let digit = 0; digit < 4; digit++) {
      this.at++;
      if (!/[0-9a-fA-F]/.test(this.#text.charAt(this.at))) throw this.#invalid("in \\u hexadecimal character escape");
    }
    this.at++;
  }

  #number(): void {
    if (this.#text.charCodeAt(this.at) === 0x2d) this.at++;
    if (this.#text.charCodeAt(this.at) === 0x30) this.at++;
    else this.#digits("in numeric literal");
    if (this.#text.charCodeAt(this.at) === 0x2e) {
      this.at++;
      this.#digits("after decimal point in numeric literal");
    }
    const exponent = this.#text.charCodeAt(this.at);
    if (exponent !== 0x65 && exponent !== 0x45) return;
    this.at++;
    const sign = this.#text.charCodeAt(this.at);
    if (sign === 0x2b || sign === 0x2d) this.at++;
    this.#digits("in exponent of numeric literal");
  }

  #digits(context: string): void {
    if (!isDigit(this.#text.charCodeAt(this.at))) throw this.#invalid(context);
    while (isDigit(this.#text.charCodeAt(this.at))) this.at++;
  }

  #word(word: string): void {
    for (let index = 0; index < word.length; index++, this.at++) {
      if (this.#text.charAt(this.at) === word.charAt(index)) continue;
      throw this.#invalid(`in literal ${word} (expecting '${word.charAt(index)}')`);
    }
  }

  #space(): void {
    this.at = skipSpace(this.#text, this.at);
  }

  #invalid(context: string): EtcdError {
    if (this.at >= this.#text.length) return invalidJson("unexpected EOF");
    return invalidJson(`invalid character ${quoted(this.#text.charCodeAt(this.at))} ${context}`);
  }
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" },
  ...{ "\b": "\\b", "\f": "\\f", "\v": "\\v", "\u0007": "\\a" },
};

function hex(unit: number): string {
  return unit.toString(16).padStart(2, "0");
}

/** Go's scanner sees bytes. Of a character beyond ASCII it shows the first byte, as the character of that number. */
function quoted(unit: number): string {
  const character = String.fromCharCode(unit < 0x80 ? unit : firstByte(unit));
  if (character === "'") return `'\\''`;
  if (character === '"') return `'"'`;
  return `'${ESCAPES[character] ?? (unit < 0x20 || unit === 0x7f ? `\\x${hex(unit)}` : character)}'`;
}

/** Returns the first byte of the UTF-8 form. A surrogate stands for a character of four bytes. */
function firstByte(unit: number): number {
  if (unit < 0x800) return 0xc0 | (unit >> 6);
  if (unit < 0xd800 || unit > 0xdfff) return 0xe0 | (unit >> 12);
  return 0xf0 | ((((unit & 0x3ff) << 10) + 0x10000) >> 18);
}
