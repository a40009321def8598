/** Converts between the client's types and the protocol's: bytes, ids, key ranges and results. */
import { EMPTY_BYTES, prefixEnd } from "../../base/key-bytes.ts";
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { KeyValue as WireKeyValue } from "../../protocol/api/kv.ts";
import type { Bytes, Header, Id, KeyRange, KeyValue } from "./types.ts";

/** The smallest key, and as a range end "to the end". Both are etcd's conventions. */
const ZERO_BYTE: Uint8Array = new Uint8Array(1);
const ID_BITS = 64;
// The platform's encoder, which every page has loaded already.
const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Encodes text as UTF-8. Returns bytes unchanged. */
export function toBytes(text: Bytes): Uint8Array {
  if (typeof text === "string") return ENCODER.encode(text);
  if (text instanceof Uint8Array) return text;
  throw invalid(`a key or value is a string or a Uint8Array, not ${typeof text}`);
}

/** Decodes bytes as UTF-8, with U+FFFD for invalid ones. */
export function toText(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

export function invalid(message: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, message);
}

export function idOf(id: Id | undefined): bigint {
  if (id === undefined) return 0n;
  if (typeof id !== "bigint" && (typeof id !== "string" || !/^-?\d{1,20}$/.test(id))) {
    throw invalid(`an id is a decimal string or a bigint, not ${JSON.stringify(id)}`);
  }
  const value = BigInt(id);
  if (BigInt.asIntN(ID_BITS, value) !== value) throw invalid(`an id has at most 64 bits: ${value}`);
  return value;
}

/** Checks a revision or a bound. Returns 0 for undefined: on the wire 0 means "not given". */
export function count(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value)) throw invalid(`${name} is a whole number below 2^53, not ${String(value)}`);
  return value;
}

export function keyRange(key: Bytes, range: KeyRange): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  const start = toBytes(key);
  const ways = Number(range.prefix === true) + Number(range.fromKey === true) + Number(range.rangeEnd !== undefined);
  if (ways > 1) throw invalid("prefix, rangeEnd and fromKey exclude each other");
  const first = start.length === 0 ? ZERO_BYTE : start;
  if (range.prefix === true) return { key: first, rangeEnd: prefixEnd(start) };
  if (range.fromKey === true) return { key: first, rangeEnd: ZERO_BYTE };
  if (range.rangeEnd !== undefined) return { key: start, rangeEnd: toBytes(range.rangeEnd) };
  return { key: start, rangeEnd: EMPTY_BYTES };
}

export function headerOf(header: ResponseHeader): Header {
  return {
    clusterId: header.clusterId.toString(),
    memberId: header.memberId.toString(),
    revision: header.revision,
    raftTerm: header.raftTerm,
  };
}

export function keyValueOf(kv: WireKeyValue): KeyValue {
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return { key, value, createRevision, modRevision, version, lease: lease.toString() };
}

export function optionalKeyValueOf(kv: WireKeyValue | undefined): KeyValue | undefined {
  return kv === undefined ? undefined : keyValueOf(kv);
}
