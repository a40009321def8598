/** Lists the prefixes of a replica at one revision, in pages. */
import { compareBytes } from "../../base/bytes.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { rangeRequest } from "../../protocol/api/kv.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "../../protocol/api/kv.ts";
import { spanOf, startsWith } from "../copy/prefixes.ts";
import { ReplicaFullError, meaningOf } from "./refusals.ts";

export type Range = (request: RangeRequest) => Promise<RangeResponse>;

export interface ClusterList {
  readonly cluster: bigint;
  readonly revision: number;
  readonly pairs: readonly KeyValue[];
  /** Those that the user may not read. */
  readonly denied: readonly Uint8Array[];
}

/** What a page aims at. A server limits the bytes of a response, and does not know how large the next pair is. */
const PAGE_BYTES = 1024 * 1024;
const FIRST_PAGE_KEYS = 200;
const PAGE_KEYS_MAX = 5_000;
const PAIR_OVERHEAD_BYTES = 64;

/**
 * Rejects with EtcdError: OutOfRange when the revision of the first page is compacted before the last one, ReplicaFullError
 * when there is more than `sizeBytesMax`. A prefix that is denied is left out.
 */
export async function listCluster(
  range: Range,
  prefixes: readonly Uint8Array[],
  sizeBytesMax: number,
): Promise<ClusterList> {
  const pairs: KeyValue[] = [];
  const denied: Uint8Array[] = [];
  const room = { left: sizeBytesMax };
  let header: RangeResponse["header"] | undefined;
  for (const prefix of prefixes) {
    const begin = pairs.length;
    for await (const page of pagesOf(range, prefix, () => header?.revision ?? 0)) {
      if (page === "denied") {
        denied.push(prefix);
        pairs.length = begin;
        break;
      }
      header ??= page.header;
      room.left -= sizeOf(page.kvs);
      if (room.left < 0) throw new ReplicaFullError(sizeBytesMax);
      checkPage(page, prefix, pairs.at(-1), header.revision);
      for (const pair of page.kvs) pairs.push(pair);
    }
  }
  const { clusterId: cluster = 0n, revision = 0 } = header ?? {};
  return { cluster, revision, pairs, denied };
}

/** `revision`: 0 before the first page, which decides of which all others are. */
async function* pagesOf(
  range: Range,
  prefix: Uint8Array,
  revision: () => number,
): AsyncGenerator<RangeResponse | "denied", void, undefined> {
  const { key, rangeEnd } = spanOf(prefix);
  let from = key;
  let limit = FIRST_PAGE_KEYS;
  for (;;) {
    const page = await pageOf(range, { from, rangeEnd, limit, revision: revision() });
    if (page === "too-large") {
      limit = Math.max(1, limit >> 2);
      continue;
    }
    yield page;
    const last = page === "denied" ? undefined : page.kvs.at(-1);
    if (page === "denied" || last === undefined || !page.more) return;
    from = after(last.key);
    limit = nextLimit(limit, sizeOf(page.kvs));
  }
}

function sizeOf(pairs: readonly KeyValue[]): number {
  return pairs.reduce((sum, { key, value }) => sum + key.length + value.length + PAIR_OVERHEAD_BYTES, 0);
}

/** A server that is none could let us list for ever. */
function checkPage({ kvs }: RangeResponse, prefix: Uint8Array, before: KeyValue | undefined, revision: number): void {
  let last = before?.key;
  for (const { key, modRevision } of kvs) {
    const isNext = last === undefined || compareBytes(last, key) < 0;
    if (!isNext || !startsWith(key, prefix) || modRevision < 1 || modRevision > revision) {
      throw new EtcdError(GrpcCode.Internal, "the cluster listed a key that does not belong into its list");
    }
    last = key;
  }
}

interface PageRequest {
  readonly from: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: number;
  /** 0: the newest, which all others then are of. */
  readonly revision: number;
}

async function pageOf(
  range: Range,
  { from, rangeEnd, limit, revision }: PageRequest,
): Promise<RangeResponse | "denied" | "too-large"> {
  try {
    return await range(rangeRequest({ key: from, rangeEnd, limit, revision }));
  } catch (error) {
    if (meaningOf(error) === "denied") return "denied";
    if (limit > 1 && isTooLarge(error)) return "too-large";
    throw error;
  }
}

/** gRPC's own text, which etcd and Quorate answer with. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof EtcdError &&
    error.code === GrpcCode.ResourceExhausted &&
    error.message.includes("message larger than max")
  );
}

function nextLimit(limit: number, bytes: number): number {
  if (bytes > PAGE_BYTES * 2) return Math.max(1, limit >> 1);
  return bytes < PAGE_BYTES / 2 ? Math.min(PAGE_KEYS_MAX, limit * 2) : limit;
}

/** Returns the smallest key above this one. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
