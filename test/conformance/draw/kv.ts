/** KV: over few keys and few revisions, so that requests meet each other. */
import type { Step } from "../steps.ts";
import { base64, call, drawEnd, drawKey, drawLease, drawRevision, drawValue } from "./world.ts";
import type { Json, World } from "./world.ts";

export function drawKv(world: World): Step {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.31) return call("/v3/kv/put", drawPut(world));
  if (dice < 0.58) return call("/v3/kv/range", drawRange(world));
  if (dice < 0.7) return call("/v3/kv/deleterange", drawDelete(world));
  if (dice < 0.97) return call("/v3/kv/txn", drawTxn(world, 0));
  return call("/v3/kv/compaction", drawCompaction(world));
}

export function drawPut(world: World): Json {
  const { prng } = world;
  const put: Json = {};
  if (!prng.bool(0.02)) put["key"] = drawKey(prng);
  if (!prng.bool(0.1)) put["value"] = drawValue(prng);
  if (prng.bool(0.25)) put["prev_kv"] = prng.pick([true, true, false]);
  if (prng.bool(0.1)) put["ignore_value"] = true;
  if (prng.bool(0.08)) put["ignore_lease"] = true;
  if (prng.bool(0.15)) put["lease"] = drawLease(world);
  return put;
}

export function drawRange(world: World): Json {
  const { prng } = world;
  const range: Json = drawSpan(world);
  if (prng.bool(0.3)) range["limit"] = prng.pick<unknown>([0, 1, 2, 3, "2", -1, "9223372036854775807"]);
  if (prng.bool(0.3)) range["revision"] = drawRevision(world);
  if (prng.bool(0.35)) range["sort_order"] = prng.pick<unknown>(["NONE", "ASCEND", "DESCEND", 1, 2, 7, -1, 0, null]);
  if (prng.bool(0.35)) {
    range["sort_target"] = prng.pick<unknown>(["KEY", "VERSION", "CREATE", "MOD", "VALUE", 0, 3, 4, 5, 99, -1]);
  }
  if (prng.bool(0.2)) range["serializable"] = true;
  if (prng.bool(0.1)) range["count_only"] = true;
  if (prng.bool(0.1)) range["keys_only"] = true;
  for (const bound of ["min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"]) {
    if (prng.bool(0.08)) range[bound] = drawRevision(world);
  }
  return range;
}

export function drawDelete(world: World): Json {
  const deletion: Json = drawSpan(world);
  if (world.prng.bool(0.4)) deletion["prev_kv"] = true;
  return deletion;
}

/** etcd 3.7.1 dies of a put with ignore_lease or ignore_value behind a from-key delete of its key in the same txn. */
function drawDeleteOp(world: World): Json {
  const deletion = drawDelete(world);
  if (deletion["range_end"] === base64("\0")) delete deletion["range_end"];
  return deletion;
}

export function drawTxn(world: World, depth: number): Json {
  const { prng } = world;
  const list = (max: number, draw: () => Json): Json[] => Array.from({ length: prng.int(0, max) }, draw);
  return {
    compare: list(3, () => drawCompare(world)),
    success: list(4, () => drawOp(world, depth)),
    failure: list(4, () => drawOp(world, depth)),
  };
}

function drawOp(world: World, depth: number): Json {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.35) return { request_put: drawPut(world) };
  if (dice < 0.65) return { request_range: drawRange(world) };
  if (dice < 0.85) return { request_delete_range: drawDeleteOp(world) };
  if (dice < 0.97 && depth < 3) return { request_txn: drawTxn(world, depth + 1) };
  return prng.bool(0.3) ? {} : { request_put: drawPut(world) };
}

function drawCompare(world: World): Json {
  const { prng } = world;
  const compare: Json = prng.bool(0.02) ? {} : { key: drawKey(prng) };
  if (prng.bool(0.7)) compare["result"] = prng.pick<unknown>(["EQUAL", "GREATER", "LESS", "NOT_EQUAL", 1, 9, -2]);
  const target = prng.pick(["VERSION", "CREATE", "MOD", "VALUE", "LEASE"] as const);
  compare["target"] = prng.bool(0.95) ? target : prng.pick<unknown>([0, 1, 4, 5, 77, -1]);
  const unions = {
    VERSION: { version: prng.int(0, 4) },
    CREATE: { create_revision: drawRevision(world) },
    MOD: { mod_revision: drawRevision(world) },
    VALUE: { value: drawValue(prng) },
    LEASE: { lease: prng.bool(0.5) ? drawLease(world) : prng.int(0, 3) },
  };
  // Now and then nothing is compared with, or the value of another target.
  if (!prng.bool(0.1)) Object.assign(compare, unions[prng.bool(0.06) ? "VERSION" : target]);
  if (prng.bool(0.15)) compare["range_end"] = drawEnd(prng);
  return compare;
}

export function drawCompaction(world: World): Json {
  const { prng, revision } = world;
  const compaction: Json = { revision: prng.bool(0.7) ? revision - prng.int(0, 60) : drawRevision(world) };
  if (prng.bool(0.5)) compaction["physical"] = true;
  return compaction;
}

export function drawSpan({ prng }: World): Json {
  const span: Json = {};
  if (!prng.bool(0.03)) span["key"] = prng.bool(0.05) ? base64("\0") : drawKey(prng);
  if (prng.bool(0.6)) span["range_end"] = drawEnd(prng);
  return span;
}
