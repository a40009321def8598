/** The prefixes of a replica: which keys it holds, and which of them a request is about. */
import { bytesToLatin1, compareBytes, prefixEnd } from "../../base/bytes.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** Keys [key, rangeEnd), as etcd's requests name them. */
export interface KeySpan {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** One stream watches each of them, and one request lists it. */
const PREFIXES_MAX = 64;
const PREFIX_BYTES_MAX = 4_096;
const FROM_START: Uint8Array = new Uint8Array(1);

/**
 * Returns the prefixes in order, without those that lie in another one. Throws EtcdError (InvalidArgument).
 */
export function checkedPrefixes(given: readonly Uint8Array[]): readonly Uint8Array[] {
  if (given.length === 0) throw invalid("a replica has at least one prefix; the empty one stands for all keys");
  if (given.length > PREFIXES_MAX) throw invalid(`a replica has at most ${PREFIXES_MAX} prefixes`);
  const outer: Uint8Array[] = [];
  for (const prefix of [...given].sort(compareBytes)) {
    if (prefix.length > PREFIX_BYTES_MAX) throw invalid(`a prefix has at most ${PREFIX_BYTES_MAX} bytes`);
    const last = outer.at(-1);
    if (last === undefined || !startsWith(prefix, last)) outer.push(prefix);
  }
  return outer;
}

/** Returns the keys with the prefix. */
export function spanOf(prefix: Uint8Array): KeySpan {
  return { key: prefix.length === 0 ? FROM_START : prefix, rangeEnd: prefixEnd(prefix) };
}

/** Returns whether the span lies within the prefix. An empty `rangeEnd` means one key, "\0" means to the end. */
export function isWithin({ key, rangeEnd }: KeySpan, prefix: Uint8Array): boolean {
  if (prefix.length === 0) return true;
  if (!startsWith(key, prefix)) return false;
  if (rangeEnd.length === 0) return true;
  const end = prefixEnd(prefix);
  if (isToTheEnd(end)) return true;
  return !isToTheEnd(rangeEnd) && compareBytes(rangeEnd, end) <= 0;
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && prefix.every((byte, at) => key[at] === byte);
}

/** As a map's key, and in what is stored. */
export function nameOf(prefix: Uint8Array): string {
  return bytesToLatin1(prefix);
}

function isToTheEnd(end: Uint8Array): boolean {
  return end.length === 1 && end[0] === 0;
}

function invalid(message: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, message);
}
