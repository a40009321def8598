/**
 * Requests drawn from a seed: valid, odd and broken ones, over few keys and few revisions, so that they meet each other.
 * They are JSON as a client of the gateway would send it; what they ask twice must be answered twice alike.
 */
import type { Prng } from "../../src/base/prng.ts";

export interface GatewayRequest {
  readonly path: string;
  /** JSON text, which may be broken on purpose. */
  readonly body: string;
}

type Json = { [key: string]: unknown };

/** `revision` is about where the store is, so that requests name revisions that exist, and some that do not. */
export function drawRequest(prng: Prng, revision: number): GatewayRequest {
  const dice = prng.next();
  if (dice < 0.28) return request("/v3/kv/put", drawPut(prng));
  if (dice < 0.55) return request("/v3/kv/range", drawRange(prng, revision));
  if (dice < 0.67) return request("/v3/kv/deleterange", drawDelete(prng));
  if (dice < 0.92) return request("/v3/kv/txn", drawTxn(prng, revision, 0));
  if (dice < 0.95) return request("/v3/kv/compaction", drawCompaction(prng, revision));
  return drawBroken(prng);
}

function request(path: string, body: Json): GatewayRequest {
  return { path, body: JSON.stringify(body) };
}

function drawPut(prng: Prng): Json {
  const put: Json = {};
  if (!prng.bool(0.02)) put["key"] = drawKey(prng);
  if (!prng.bool(0.1)) put["value"] = drawValue(prng);
  if (prng.bool(0.25)) put["prev_kv"] = true;
  if (prng.bool(0.1)) put["ignore_value"] = true;
  if (prng.bool(0.08)) put["ignore_lease"] = true;
  if (prng.bool(0.05)) put["lease"] = String(prng.int(1, 1_000_000));
  return put;
}

function drawRange(prng: Prng, revision: number): Json {
  const range: Json = drawSpan(prng);
  if (prng.bool(0.3)) range["limit"] = prng.pick<unknown>([0, 1, 2, 3, "2", -1]);
  if (prng.bool(0.3)) range["revision"] = drawRevision(prng, revision);
  if (prng.bool(0.35)) range["sort_order"] = prng.pick<unknown>(["NONE", "ASCEND", "DESCEND", 1, 2, 7]);
  if (prng.bool(0.35)) range["sort_target"] = prng.pick<unknown>(["KEY", "VERSION", "CREATE", "MOD", "VALUE", 3, 4]);
  if (prng.bool(0.2)) range["serializable"] = true;
  if (prng.bool(0.1)) range["count_only"] = true;
  if (prng.bool(0.1)) range["keys_only"] = true;
  for (const bound of ["min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"]) {
    if (prng.bool(0.08)) range[bound] = drawRevision(prng, revision);
  }
  return range;
}

function drawDelete(prng: Prng): Json {
  const deletion: Json = drawSpan(prng);
  if (prng.bool(0.4)) deletion["prev_kv"] = true;
  return deletion;
}

/** etcd 3.7.1 dies of a put with ignore_lease or ignore_value behind a from-key delete of its key in the same txn. */
function drawDeleteOp(prng: Prng): Json {
  const deletion = drawDelete(prng);
  if (deletion["range_end"] === base64("\0")) delete deletion["range_end"];
  return deletion;
}

function drawTxn(prng: Prng, revision: number, depth: number): Json {
  const list = (max: number, draw: () => Json): Json[] => Array.from({ length: prng.int(0, max) }, draw);
  return {
    compare: list(3, () => drawCompare(prng, revision)),
    success: list(4, () => drawOp(prng, revision, depth)),
    failure: list(4, () => drawOp(prng, revision, depth)),
  };
}

function drawOp(prng: Prng, revision: number, depth: number): Json {
  const dice = prng.next();
  if (dice < 0.35) return { request_put: drawPut(prng) };
  if (dice < 0.65) return { request_range: drawRange(prng, revision) };
  if (dice < 0.85) return { request_delete_range: drawDeleteOp(prng) };
  if (dice < 0.97 && depth < 2) return { request_txn: drawTxn(prng, revision, depth + 1) };
  return prng.bool(0.5) ? {} : { request_put: drawPut(prng) };
}

function drawCompare(prng: Prng, revision: number): Json {
  const compare: Json = { key: drawKey(prng) };
  if (prng.bool(0.7)) compare["result"] = prng.pick<unknown>(["EQUAL", "GREATER", "LESS", "NOT_EQUAL", 1]);
  const target = prng.pick(["VERSION", "CREATE", "MOD", "VALUE", "LEASE"] as const);
  compare["target"] = target;
  const unions = {
    VERSION: { version: prng.int(0, 4) },
    CREATE: { create_revision: drawRevision(prng, revision) },
    MOD: { mod_revision: drawRevision(prng, revision) },
    VALUE: { value: drawValue(prng) },
    LEASE: { lease: prng.int(0, 3) },
  };
  // Now and then nothing is compared with, or the value of another target.
  if (!prng.bool(0.1)) Object.assign(compare, unions[prng.bool(0.06) ? "VERSION" : target]);
  if (prng.bool(0.15)) compare["range_end"] = drawEnd(prng);
  return compare;
}

function drawCompaction(prng: Prng, revision: number): Json {
  const compaction: Json = { revision: prng.bool(0.7) ? revision - prng.int(0, 30) : drawRevision(prng, revision) };
  if (prng.bool(0.5)) compaction["physical"] = true;
  return compaction;
}

/** What a gateway must refuse, each kind with a text of its own. */
function drawBroken(prng: Prng): GatewayRequest {
  const key = drawKey(prng);
  return prng.pick<GatewayRequest>([
    { path: "/v3/kv/put", body: "" },
    { path: "/v3/kv/range", body: "{}" },
    { path: "/v3/kv/nothing", body: "{}" },
    { path: "/v3/kv/txn", body: "{}" },
    {
      path: "/v3/kv/txn",
      body: JSON.stringify({ success: Array.from({ length: 129 }, () => ({ request_range: { key } })) }),
    },
    { path: "/v3/kv/range", body: JSON.stringify({ key, unknown_field: { deep: [1, 2] } }) },
    { path: "/v3/kv/range", body: JSON.stringify({ key, limit: null, sortOrder: "DESCEND" }) },
    { path: "/v3/kv/put", body: JSON.stringify({ key, value: key, prevKv: true }) },
    { path: "/v3/kv/compaction", body: "{}" },
  ]);
}

function drawSpan(prng: Prng): Json {
  const span: Json = {};
  if (!prng.bool(0.03)) span["key"] = prng.bool(0.05) ? base64("\0") : drawKey(prng);
  if (prng.bool(0.6)) span["range_end"] = drawEnd(prng);
  return span;
}

function drawEnd(prng: Prng): string {
  return prng.bool(0.2) ? base64("\0") : drawKey(prng);
}

function drawKey(prng: Prng): string {
  const letters = ["a", "b", "c", "d", "e", "f"];
  const first = prng.pick(letters);
  return base64(prng.bool(0.3) ? `${first}/${prng.pick(letters)}` : first);
}

function drawValue(prng: Prng): string {
  return base64(prng.pick(["", "v1", "v2", "v3", "value", "\u00ff\u0000"]));
}

function drawRevision(prng: Prng, revision: number): number | string {
  const near = revision - prng.int(0, 40);
  return prng.pick<number | string>([near, near, near, revision, revision + 1, revision + 50, 0, 1, -1, String(near)]);
}

function base64(text: string): string {
  return Buffer.from(text, "latin1").toString("base64");
}
