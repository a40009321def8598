/** Maintenance at the edge: three Durable Objects with SQLite, asked over HTTP. */
import { expect, test } from "vitest";
import { create } from "../support/clusters-kit.ts";
import { edge, put } from "../support/edge-kit.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- compared with literals
async function call(path: string, body: object = {}): Promise<any> {
  const response = await edge(path, { method: "POST", body: JSON.stringify(body) });
  return response.json();
}

test("the members' hashes are equal at a revision, and a compaction that is waited for gives space back", async () => {
  for (let at = 0; at < 30; at++) await put("large", "x".repeat(20_000));
  const { header } = await call("/m/1/v3/maintenance/hashkv");
  const revision = Number(header.revision);
  const hashes = new Set<string>();
  for (const number of [1, 2, 3]) {
    // A linearizable read first: a follower may not have heard of the last put yet.
    await call(`/m/${number}/v3/kv/range`, { key: btoa("large"), keys_only: true });
    const { hash, hash_revision, compact_revision } = await call(`/m/${number}/v3/maintenance/hashkv`, { revision });
    hashes.add(JSON.stringify({ hash, hash_revision, compact_revision }));
  }
  expect([...hashes]).toEqual([expect.stringContaining(`"hash_revision":"${revision}"`)]);

  // Writes the state, which else waits in memory for more.
  expect(await call("/m/1/v3/maintenance/defragment")).toEqual({});
  const before = await call("/m/1/v3/maintenance/status");
  expect(await call("/m/1/v3/kv/compaction", { revision, physical: true })).toMatchObject({ header: {} });
  expect(await call("/m/1/v3/maintenance/defragment")).toEqual({});
  const after = await call("/m/1/v3/maintenance/status");
  expect(Number(after.dbSizeInUse)).toBeLessThan(Number(before.dbSizeInUse) - 500_000);
  expect(Number(after.dbSize)).toBeLessThan(Number(before.dbSize));
  expect([after.dbSizeQuota, after.downgradeInfo]).toEqual([expect.stringMatching(/^\d+$/), expect.anything()]);
});

test("an alarm that one member raises caps all of them, until it is disarmed, and /health and /readyz report it", async () => {
  const alarm = { memberID: "5", alarm: "NOSPACE" };
  expect((await call("/m/1/v3/maintenance/alarm", { action: "ACTIVATE", ...alarm })).alarms).toEqual([alarm]);
  for (const number of [1, 2, 3]) {
    expect((await call(`/m/${number}/v3/maintenance/alarm`)).alarms).toEqual([alarm]);
    const refused = await call(`/m/${number}/v3/kv/put`, { key: btoa("capped"), value: "" });
    expect(refused).toEqual({ code: 8, message: "etcdserver: mvcc: database space exceeded" });
    const health = await edge(`/m/${number}/health`);
    expect([health.status, await health.text()]).toEqual([503, '{"health":"false","reason":"ALARM NOSPACE"}\n']);
  }
  expect((await call("/v3/kv/deleterange", { key: btoa("capped") })).header).toBeDefined();
  expect((await call("/v3/maintenance/alarm", { action: "DEACTIVATE", ...alarm })).alarms).toEqual([alarm]);
  expect(await put("capped", "no more")).toBeGreaterThan(1);
  expect(await (await edge("/readyz?verbose")).text()).toBe(
    "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n",
  );
  expect(await (await edge("/m/2/livez/serializable_read")).text()).toBe("ok\n");
});

test("/metrics of a member at the edge has real numbers of its disk and its peers", async () => {
  await put("metrics", "1");
  const texts = await Promise.all([1, 2, 3].map(async (number) => (await edge(`/m/${number}/metrics`)).text()));
  const leader = texts.find((text) => /^etcd_server_is_leader\{\S+\} 1$/m.test(text)) ?? "";
  const value = (name: string): number => Number(new RegExp(`^${name}\\{\\S+\\} (\\S+)$`, "m").exec(leader)?.[1]);
  expect(value("etcd_disk_wal_fsync_duration_seconds_count")).toBeGreaterThan(0);
  expect(value("etcd_mvcc_put_total")).toBeGreaterThan(0);
  expect(value("etcd_network_client_grpc_received_bytes_total")).toBeGreaterThanOrEqual(0);
  expect(leader).toMatch(/^etcd_network_peer_sent_bytes_total\{To="\w+",\S+\} [1-9]\d*$/m);
  expect(leader).toMatch(/^etcd_network_peer_round_trip_time_seconds_count\{To="\w+",\S+\} \d+$/m);
  for (const [at, text] of texts.entries()) {
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const labels = `cluster="quorate",member="edge-${at + 1}"`;
    expect(samples.filter((line) => !line.replace(/,le="[^"]*"/, "").includes(`${labels}}`))).toEqual([]);
  }
  const all = (await (await edge("/metrics")).text()).split("\n");
  expect(all.filter((line) => line.startsWith("quorate_member_up{"))).toHaveLength(3);
  expect(all.filter((line) => line.startsWith("etcd_server_has_leader{"))).toEqual(
    [1, 2, 3].map((number) => `etcd_server_has_leader{cluster="quorate",member="edge-${number}"} 1`),
  );
  // Prometheus takes a family only as one block behind its comments.
  let type = "";
  for (const line of all.filter((each) => each !== "")) {
    type = /^# TYPE (\S+)/.exec(line)?.[1] ?? type;
    if (!line.startsWith("#")) expect(line.startsWith(type)).toBe(true);
  }
  const types = all.filter((line) => line.startsWith("# TYPE"));
  expect(types.length).toBeGreaterThan(10);
  expect(new Set(types).size).toBe(types.length);
  await create("measured");
  expect(await (await edge("/c/measured/metrics")).text()).toContain(
    'etcd_server_has_leader{cluster="measured",member="edge-1"} 1\n',
  );
});
