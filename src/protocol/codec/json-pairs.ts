/**
 * Detects half of a surrogate pair in a JSON string. JavaScript would accept it, but it is not valid UTF-8. protojson
 * rejects it, and names the six bytes in which it expected the other half.
 */
import { utf8Encode } from "../../base/utf8.ts";
import { invalidJson, positionText } from "./json-errors.ts";
import type { JsonWhole } from "./json-whole.ts";

const ESCAPE_BYTES = 6;

/**
 * Checks the string that starts at `from`, which the scanner has read to its end. Throws if it contains half a pair.
 */
export function checkPairs(text: string, from: number, whole: JsonWhole): void {
  for (let at = from + 1; text.charCodeAt(at) !== 0x22;) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit <= 0xdfff) {
      if (!isPair(unit, text.charCodeAt(at + 1))) throw refused(text, from, whole, "invalid UTF-8");
      at += 2;
    } else if (unit !== 0x5c) at++;
    else if (text.charCodeAt(at + 1) !== 0x75) at += 2;
    else at = pastEscape(text, at, from, whole);
  }
}

function pastEscape(text: string, at: number, from: number, whole: JsonWhole): number {
  const first = Number.parseInt(text.slice(at + 2, at + 6), 16);
  const next = at + ESCAPE_BYTES;
  if (first < 0xd800 || first > 0xdfff) return next;
  const found = text.slice(next, Math.min(next + ESCAPE_BYTES, whole.end));
  const second = /^\\u[0-9a-fA-F]{4}$/.test(found) ? Number.parseInt(found.slice(2), 16) : 0;
  if (isPair(first, second)) return next + ESCAPE_BYTES;
  const bytes = utf8Encode(found);
  if (bytes.length < ESCAPE_BYTES) throw invalidJson("proto: unexpected EOF");
  throw refused(text, from, whole, `invalid escape code ${quoted(bytes.subarray(0, ESCAPE_BYTES), found)}`);
}

function isPair(first: number, second: number): boolean {
  return first >= 0xd800 && first <= 0xdbff && second >= 0xdc00 && second <= 0xdfff;
}

function refused(text: string, from: number, { start }: JsonWhole, what: string): Error {
  return invalidJson(`proto: syntax error ${positionText(text, start, from)}: ${what} in string`);
}

/** Quotes bytes as Go does. They may end inside a character, whose bytes are then quoted as numbers. */
function quoted(bytes: Uint8Array, text: string): string {
  let shown = "";
  let at = 0;
  for (const character of text) {
    const size = utf8Encode(character).length;
    if (at + size > bytes.length) break;
    shown += JSON.stringify(character).slice(1, -1);
    at += size;
  }
  for (const byte of bytes.subarray(at)) shown += `\\x${byte.toString(16).padStart(2, "0")}`;
  return `"${shown}"`;
}
