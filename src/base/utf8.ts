/**
 * UTF-8 in plain JavaScript: the pure packages are compiled without the web's TextEncoder. Encoding turns a lone
 * surrogate into U+FFFD, as the web does. Decoding replaces each invalid byte likewise, or fails if the caller wants
 * that.
 */
import { bytesToLatin1 } from "./bytes.ts";

const REPLACEMENT = 0xfffd;

export function utf8Encode(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  utf8Write(text, bytes, 0);
  return bytes;
}

/** Returns how many bytes `utf8Write` will write. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(at + 1))) {
      length += 4;
      at++;
    } else length += 3;
  }
  return length;
}

/** Writes the text at the offset, which must have enough space. Returns the offset after it. */
export function utf8Write(text: string, into: Uint8Array, offset: number): number {
  let to = offset;
  for (let at = 0; at < text.length; at++) {
    let point = text.charCodeAt(at);
    if (point < 0x80) {
      into[to++] = point;
      continue;
    }
    if (point < 0x800) {
      into[to++] = 0xc0 | (point >> 6);
      into[to++] = 0x80 | (point & 0x3f);
      continue;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = text.charCodeAt(at + 1);
      if (isHighSurrogate(point) && isLowSurrogate(low)) {
        point = 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        at++;
        into[to++] = 0xf0 | (point >> 18);
        into[to++] = 0x80 | ((point >> 12) & 0x3f);
        into[to++] = 0x80 | ((point >> 6) & 0x3f);
        into[to++] = 0x80 | (point & 0x3f);
        continue;
      }
      point = REPLACEMENT;
    }
    into[to++] = 0xe0 | (point >> 12);
    into[to++] = 0x80 | ((point >> 6) & 0x3f);
    into[to++] = 0x80 | (point & 0x3f);
  }
  return to;
}

export function isUtf8(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length;) {
    if ((bytes[at] as number) < 0x80) at++;
    else {
      const length = sequenceLength(bytes, at);
      if (length === 0) return false;
      at += length;
    }
  }
  return true;
}

/** Decodes; each byte that is not part of well-formed UTF-8 becomes U+FFFD. */
export function utf8Decode(bytes: Uint8Array): string {
  let at = 0;
  while (at < bytes.length && (bytes[at] as number) < 0x80) at++;
  if (at === bytes.length) return bytesToLatin1(bytes);
  let text = bytesToLatin1(bytes.subarray(0, at));
  let units: number[] = [];
  while (at < bytes.length) {
    const length = (bytes[at] as number) < 0x80 ? 1 : sequenceLength(bytes, at);
    pushPoint(units, length === 0 ? REPLACEMENT : pointAt(bytes, at, length));
    at += length === 0 ? 1 : length;
    if (units.length >= 4096) {
      text += String.fromCharCode.apply(undefined, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(undefined, units);
}

/** Decodes; returns undefined if the bytes are not well-formed UTF-8. */
export function utf8DecodeStrict(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? utf8Decode(bytes) : undefined;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Returns the length of the well-formed multi-byte sequence at this position, 0 if there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const length =
    lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  for (let next = 1; next < length; next++) {
    if (((bytes[at + next] as number) & 0xc0) !== 0x80) return 0;
  }
  const second = bytes[at + 1] as number;
  // The second byte reveals overlong forms, UTF-16 surrogates and code points above U+10FFFF.
  if ((lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f)) return 0;
  if ((lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)) return 0;
  return length;
}

function pointAt(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at] as number;
  if (length === 1) return lead;
  let point = lead & (0xff >> (length + 1));
  for (let next = 1; next < length; next++) point = (point << 6) | ((bytes[at + next] as number) & 0x3f);
  return point;
}

function pushPoint(units: number[], point: number): void {
  if (point < 0x1_0000) units.push(point);
  else units.push(0xd800 + ((point - 0x1_0000) >> 10), 0xdc00 + (point & 0x3ff));
}
