/**
 * `--json`: the field names, base64 and omitted zeroes of etcdctl's `-w json`. Ids are decimal strings, because most
 * JSON parsers do not preserve 64-bit numbers.
 */
import { toBase64 } from "../../base/text-codes.ts";
import type { Header, KeyValue, WatchEvent } from "../../client/common/types.ts";

type Json = string | number | boolean | undefined | readonly Json[] | { readonly [name: string]: Json };

export function jsonLine(value: Json): string {
  return `${JSON.stringify(value)}\n`;
}

export function headerJson(header: Header): Json {
  return {
    cluster_id: header.clusterId,
    member_id: header.memberId,
    revision: header.revision,
    raft_term: header.raftTerm,
  };
}

export function keyValueJson(kv: KeyValue): Json {
  return {
    key: toBase64(kv.key),
    create_revision: kv.createRevision || undefined,
    mod_revision: kv.modRevision || undefined,
    version: kv.version || undefined,
    value: kv.value.length === 0 ? undefined : toBase64(kv.value),
    lease: kv.lease === "0" ? undefined : kv.lease,
  };
}

export function eventJson(event: WatchEvent): Json {
  return {
    type: event.type === "DELETE" ? "DELETE" : undefined,
    kv: keyValueJson(event.kv),
    prev_kv: event.prevKv && keyValueJson(event.prevKv),
  };
}
