/**
 * The calls that kube-apiserver's storage layer makes of etcd, and no others: optimistic txns, lists in pages at one
 * revision, counts, compaction by a marker key, leases that are granted and left alone.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import { compactionRequest, compare, deleteRangeRequest, putRequest } from "../../src/protocol/api/kv.ts";
import { rangeRequest, txnRequest } from "../../src/protocol/api/kv.ts";
import type { KeyValue, RangeResponse, RequestOp, TxnResponse } from "../../src/protocol/api/kv.ts";
import { leaseGrantRequest } from "../../src/protocol/api/lease.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import type { RawClient } from "../grpc/support/raw-client.ts";

export const COMPACT_KEY = "compact_rev_key";

/** What a txn came to: the revision of what it wrote, or what stands in the way of it. */
export type Outcome =
  | { readonly type: "written"; readonly revision: number }
  | { readonly type: "conflict"; readonly current: KeyValue | undefined };

export interface Listed {
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  readonly pages: number;
}

export class KubernetesStorage {
  readonly #client: RawClient;

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** Without an else: that the key is there is all that a creator wants to know. */
  async create(key: string, value: Uint8Array, lease = 0n): Promise<Outcome> {
    const put: RequestOp = { type: "put", put: putRequest({ key: utf8Encode(key), value, lease }) };
    return outcomeOf(await this.#ifUnchanged(key, 0, put, []));
  }

  async update(key: string, expected: number, value: Uint8Array, lease = 0n): Promise<Outcome> {
    const put: RequestOp = { type: "put", put: putRequest({ key: utf8Encode(key), value, lease }) };
    return outcomeOf(await this.#ifUnchanged(key, expected, put, [rangeOf(key)]));
  }

  async delete(key: string, expected: number): Promise<Outcome> {
    const deleteRange = deleteRangeRequest({ key: utf8Encode(key) });
    return outcomeOf(await this.#ifUnchanged(key, expected, { type: "deleteRange", deleteRange }, [rangeOf(key)]));
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const { kvs } = await this.#client.call(RPCS.kv.range, rangeRequest({ key: utf8Encode(key) }));
    return kvs[0];
  }

  /**
   * All pages at the revision of the first one. There is more when the count, which is of what lies from the page's
   * beginning on, is more than came; `between` is called after each page.
   */
  async list(prefix: string, limit: number, between?: () => Promise<void>, pinned = 0): Promise<Listed> {
    const rangeEnd = prefixEnd(prefix);
    const kvs: KeyValue[] = [];
    let key = utf8Encode(prefix);
    let revision = pinned;
    for (let pages = 1; ; pages++) {
      const page = await this.#client.call(RPCS.kv.range, rangeRequest({ key, rangeEnd, limit, revision }));
      kvs.push(...page.kvs);
      if (revision === 0) revision = page.header.revision;
      const last = page.kvs.at(-1);
      checkPage(page, limit);
      if (last === undefined || page.count <= page.kvs.length) return { revision, kvs, pages };
      // The least key after the last one.
      key = Uint8Array.from([...last.key, 0]);
      await between?.();
    }
  }

  /** As kube-apiserver does since 1.37. */
  async stream(prefix: string): Promise<Listed> {
    const request = rangeRequest({ key: utf8Encode(prefix), rangeEnd: prefixEnd(prefix) });
    const parts = await this.#client.stream(RPCS.kv.rangeStream, request).all();
    const kvs = parts.flatMap(({ rangeResponse }) => rangeResponse.kvs);
    // The last part tells it.
    return { revision: parts.at(-1)?.rangeResponse.header.revision ?? 0, kvs, pages: parts.length };
  }

  async count(prefix: string): Promise<number> {
    const request = rangeRequest({ key: utf8Encode(prefix), rangeEnd: prefixEnd(prefix), countOnly: true });
    return (await this.#client.call(RPCS.kv.range, request)).count;
  }

  async currentRevision(prefix: string): Promise<number> {
    const request = rangeRequest({ key: utf8Encode(prefix), rangeEnd: prefixEnd(prefix), limit: 1 });
    return (await this.#client.call(RPCS.kv.range, request)).header.revision;
  }

  async grant(ttl: number): Promise<bigint> {
    return (await this.#client.call(RPCS.lease.grant, leaseGrantRequest({ ttl }))).id;
  }

  /**
   * Of all apiservers, which agree on when to compact by the marker's version, one compacts; the others get the
   * revision that it noted. Returns what the next call needs.
   */
  async compact(version: number, revision: number): Promise<{ readonly version: number; readonly isMine: boolean }> {
    const key = utf8Encode(COMPACT_KEY);
    const { succeeded, responses } = await this.#client.call(
      RPCS.kv.txn,
      txnRequest({
        compare: [compare({ target: "VERSION", key, targetUnion: { type: "version", version } })],
        success: [{ type: "put", put: putRequest({ key, value: utf8Encode(String(revision)) }) }],
        failure: [rangeOf(COMPACT_KEY)],
      }),
    );
    if (!succeeded) {
      const [seen] = responses;
      return { version: seen?.type === "range" ? (seen.range.kvs[0]?.version ?? 0) : 0, isMine: false };
    }
    if (revision > 0) await this.#client.call(RPCS.kv.compact, compactionRequest({ revision }));
    return { version: version + 1, isMine: true };
  }

  #ifUnchanged(key: string, expected: number, then: RequestOp, otherwise: readonly RequestOp[]): Promise<TxnResponse> {
    const targetUnion = { type: "modRevision", modRevision: expected } as const;
    return this.#client.call(
      RPCS.kv.txn,
      txnRequest({
        compare: [compare({ target: "MOD", key: utf8Encode(key), targetUnion })],
        success: [then],
        failure: otherwise,
      }),
    );
  }
}

/** The end of a prefix, as the Go client makes it; ours end in a slash. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = utf8Encode(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

function rangeOf(key: string): RequestOp {
  return { type: "range", range: rangeRequest({ key: utf8Encode(key) }) };
}

function outcomeOf({ succeeded, header, responses }: TxnResponse): Outcome {
  if (succeeded) return { type: "written", revision: header.revision };
  const [seen] = responses;
  return { type: "conflict", current: seen?.type === "range" ? seen.range.kvs[0] : undefined };
}

/** In order, no more than asked for, and `more` and `count` of one mind. */
function checkPage({ kvs, more, count }: RangeResponse, limit: number): void {
  const isOver = kvs.length > limit;
  const isUnlike = more !== count > kvs.length || (more && kvs.length !== limit);
  const isUnordered = kvs.some(({ key }, at) => at > 0 && !isAfter(key, kvs[at - 1]?.key));
  if (!isOver && !isUnlike && !isUnordered) return;
  throw new Error(`a page of ${limit} came with ${kvs.length} of ${count}, more: ${more}, unordered: ${isUnordered}`);
}

function isAfter(key: Uint8Array, before: Uint8Array | undefined): boolean {
  if (before === undefined) return true;
  return !equalBytes(key, before) && utf8Decode(key) > utf8Decode(before);
}
