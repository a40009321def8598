/** Cluster and maintenance: mostly what is refused, since the two clusters that are compared are not the same. */
import type { Step } from "../steps.ts";
import { call, drawRevision } from "./world.ts";
import type { Json, World } from "./world.ts";

const UNKNOWN_MEMBER = ["0", "31", "12345", "18446744073709551615"];

export function drawCluster(world: World): readonly Step[] {
  const { prng } = world;
  const peerURLs = prng.pick<unknown>([
    [],
    ["bad"],
    ["ftp://a:1"],
    ["http://a"],
    ["http://a:1/path"],
    [""],
    ["http://:1", "x"],
  ]);
  const unknown = prng.pick(UNKNOWN_MEMBER);
  return [
    prng.pick([
      call("/v3/cluster/member/list", {}),
      call("/v3/cluster/member/list", { linearizable: true }),
      call("/v3/cluster/member/add", { peerURLs, isLearner: prng.bool(0.5) }),
      call("/v3/cluster/member/remove", { ID: unknown }),
      call("/v3/cluster/member/update", { ID: unknown, peerURLs: prng.bool(0.5) ? peerURLs : ["http://127.0.0.1:7"] }),
      call("/v3/cluster/member/promote", { ID: unknown }),
    ]),
  ];
}

export function drawMaintenance(world: World): readonly Step[] {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.2) return [call("/v3/maintenance/status", {})];
  if (dice < 0.4) return [call("/v3/maintenance/hashkv", prng.bool(0.5) ? {} : { revision: drawRevision(world) })];
  if (dice < 0.45) return [call("/v3/maintenance/hash", {})];
  if (dice < 0.5) return [call("/v3/maintenance/defragment", {})];
  if (dice < 0.6) return [call("/v3/maintenance/transfer-leadership", drawTarget(world))];
  if (dice < 0.75) return [call("/v3/maintenance/downgrade", drawDowngrade(world))];
  if (dice < 0.9) return [call("/v3/maintenance/alarm", drawAlarm(world))];
  return raised(world);
}

function drawTarget({ prng }: World): Json {
  return prng.bool(0.2) ? {} : { targetID: prng.pick(UNKNOWN_MEMBER) };
}

/** Never enabled for longer than until the next request: it changes what etcd stores. */
function drawDowngrade({ prng }: World): Json {
  const version = prng.pick(["", "3.6", "3.6.0", "3.7.0", "3.5.0", "3.4", "x", "4.0.0", "3.8.0", "v3.6.0", "3"]);
  return prng.pick<Json>([{ version }, { action: "VALIDATE", version }, { action: "CANCEL" }, { action: 7, version }]);
}

function drawAlarm({ prng }: World): Json {
  const alarm = prng.pick<unknown>(["NONE", "NOSPACE", "CORRUPT", 9]);
  const memberID = prng.pick(["0", "5"]);
  return prng.pick<Json>([
    {},
    { action: "GET", alarm },
    { action: "GET", memberID },
    { action: "DEACTIVATE", alarm, memberID },
  ]);
}

/** An alarm that stands while a few requests are made, and is taken back. */
function raised(world: World): readonly Step[] {
  const alarm = { alarm: world.prng.pick(["NOSPACE", "NOSPACE", "CORRUPT"]), memberID: world.prng.pick(["0", "5"]) };
  return [
    call("/v3/maintenance/alarm", { action: "ACTIVATE", ...alarm }),
    call("/v3/maintenance/alarm", {}),
    call("/v3/kv/put", { key: "YQ==", value: "YQ==" }),
    call("/v3/kv/put", { value: "YQ==" }),
    call("/v3/kv/range", { key: "YQ==" }),
    call("/v3/kv/range", { key: "YQ==", serializable: true }),
    call("/v3/kv/txn", { success: [{ request_put: { key: "YQ==" } }] }),
    call("/v3/kv/txn", {
      success: [{ request_range: { key: "YQ==" } }],
      failure: [{ request_delete_range: { key: "Zw==" } }],
    }),
    call("/v3/kv/deleterange", { key: "Zw==" }),
    call("/v3/lease/grant", { TTL: 4000, ID: 3000 }),
    call("/v3/lease/revoke", { ID: 3000 }),
    call("/v3/maintenance/status", {}),
    call("/v3/maintenance/alarm", { action: "DEACTIVATE", ...alarm }),
  ];
}
