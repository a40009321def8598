/** Hexadecimal and base64 for bytes. Written here because the pure packages have neither Buffer nor atob. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NOT_A_DIGIT = 0xff;
const PAD = 61;
const DIGITS: Uint8Array = base64Digits();
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Returns undefined if the text is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

/** Encodes with the standard alphabet and padding. */
export function toBase64(bytes: Uint8Array): string {
  const units = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const group =
      ((bytes[at] as number) << 16) |
      ((left > 1 ? (bytes[at + 1] as number) : 0) << 8) |
      (left > 2 ? (bytes[at + 2] as number) : 0);
    units[to++] = ALPHABET.charCodeAt(group >> 18);
    units[to++] = ALPHABET.charCodeAt((group >> 12) & 63);
    units[to++] = left > 1 ? ALPHABET.charCodeAt((group >> 6) & 63) : PAD;
    units[to++] = left > 2 ? ALPHABET.charCodeAt(group & 63) : PAD;
  }
  return asciiText(units);
}

/**
 * Accepts the standard and the URL alphabet (not both in one text), with full padding or none. Returns undefined for
 * anything else, line breaks included. Leftover bits are not checked, as in Go's decoder.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  let length = text.length;
  if (length % 4 === 0 && length > 0 && text.charCodeAt(length - 1) === PAD) {
    length -= text.charCodeAt(length - 2) === PAD ? 2 : 1;
  }
  if (length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let to = 0;
  let bits = 0;
  let group = 0;
  let seen = 0;
  for (let at = 0; at < length; at++) {
    const unit = text.charCodeAt(at);
    const digit = unit < 128 ? (DIGITS[unit] as number) : NOT_A_DIGIT;
    if (digit === NOT_A_DIGIT) return undefined;
    if (unit === 43 || unit === 47) seen |= 1;
    else if (unit === 45 || unit === 95) seen |= 2;
    group = ((group << 6) | digit) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to++] = (group >> bits) & 0xff;
  }
  return seen === 3 ? undefined : bytes;
}

function base64Digits(): Uint8Array {
  const digits = new Uint8Array(128).fill(NOT_A_DIGIT);
  for (let value = 0; value < 64; value++) digits[ALPHABET.charCodeAt(value)] = value;
  digits["-".charCodeAt(0)] = 62;
  digits["_".charCodeAt(0)] = 63;
  return digits;
}

function asciiText(units: Uint8Array): string {
  let text = "";
  for (let at = 0; at < units.length; at += 4096) {
    text += String.fromCharCode.apply(undefined, units.subarray(at, at + 4096) as unknown as number[]);
  }
  return text;
}
