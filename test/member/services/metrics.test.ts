import { describe, expect, test } from "vitest";
import { prometheusText } from "../../../src/gateway/http/prometheus.ts";
import { Histogram } from "../../../src/member/metrics/histogram.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

/** Metrics that the mixin's dashboard and alerts use; process_resident_memory_bytes is not available to a member. */
const DASHBOARD = [
  "etcd_server_has_leader",
  "etcd_server_leader_changes_seen_total",
  "etcd_server_proposals_failed_total",
  "etcd_server_quota_backend_bytes",
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_mvcc_db_total_size_in_use_in_bytes",
  "etcd_disk_wal_fsync_duration_seconds_bucket",
  "etcd_disk_backend_commit_duration_seconds_bucket",
  "etcd_network_client_grpc_received_bytes_total",
  "etcd_network_client_grpc_sent_bytes_total",
  "etcd_network_peer_sent_bytes_total",
  "etcd_network_peer_received_bytes_total",
  "etcd_network_peer_sent_failures_total",
  "etcd_network_peer_round_trip_time_seconds_bucket",
  "grpc_server_started_total",
  "grpc_server_handled_total",
  "grpc_server_handling_seconds_bucket",
];

async function founded(count: number): Promise<{ cluster: Cluster; leader: Node }> {
  const cluster = await Cluster.founded(count);
  return { cluster, leader: await cluster.elected() };
}

/** The value of each line, by its name and labels. */
function metricsOf({ services }: Node): ReadonlyMap<string, number> {
  const lines = prometheusText(services.health.metrics()).trim().split("\n");
  const values = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(/ (?=\S+$)/));
  return new Map(values.map(([name = "", value]) => [name, Number(value)]));
}

function labelled(name: string, service: string, method: string, type = "unary", code?: string): string {
  const own = `grpc_type="${type}",grpc_service="etcdserverpb.${service}",grpc_method="${method}"`;
  return `${name}{${own}${code === undefined ? "" : `,grpc_code="${code}"`}}`;
}

const key = utf8Encode("k");

describe("metrics", () => {
  test("M47 every metric of etcd's dashboards exists", async () => {
    const { cluster, leader } = await founded(3);
    await cluster.settled(leader.services.kv.put(putRequest({ key }), CALL));
    const names = new Set([...metricsOf(leader).keys()].map((line) => line.split("{")[0]));
    expect(DASHBOARD.filter((name) => !names.has(name))).toEqual([]);
  });

  test("calls are counted by method and code, and unary ones timed", async () => {
    const { cluster, leader } = await founded(1);
    const { kv } = leader.services;
    await cluster.settled(kv.put(putRequest({ key }), CALL));
    await cluster.settled(kv.put(putRequest({ key }), CALL));
    await cluster.settled(kv.put(putRequest({ key: new Uint8Array() }), CALL).catch(() => undefined));
    await cluster.settled(kv.range(rangeRequest({ key }), CALL));
    const values = metricsOf(leader);
    expect(values.get(labelled("grpc_server_started_total", "KV", "Put"))).toBe(3);
    expect(values.get(labelled("grpc_server_handled_total", "KV", "Put", "unary", "OK"))).toBe(2);
    expect(values.get(labelled("grpc_server_handled_total", "KV", "Put", "unary", "InvalidArgument"))).toBe(1);
    expect(values.get(labelled("grpc_server_handling_seconds_count", "KV", "Put"))).toBe(3);
    expect(values.get(labelled("grpc_server_started_total", "KV", "Txn"))).toBe(0);
    expect(values.get(labelled("grpc_server_handled_total", "KV", "Txn", "unary", "OK"))).toBe(0);
    expect(values.get("etcd_mvcc_put_total")).toBe(2);
    expect(values.get("etcd_mvcc_range_total")).toBe(1);
  });

  test("a stream is open between started and handled, and ends once, however it ends", async () => {
    const { cluster, leader } = await founded(1);
    const stream = leader.services.watch.watch(CALL);
    stream.request({ type: "create", create: watchCreateRequest({ key }) });
    await cluster.settled(stream.next());
    const started = labelled("grpc_server_started_total", "Watch", "Watch", "bidi_stream");
    const handled = labelled("grpc_server_handled_total", "Watch", "Watch", "bidi_stream", "OK");
    expect([metricsOf(leader).get(started), metricsOf(leader).get(handled)]).toEqual([1, 0]);
    expect(metricsOf(leader).get("etcd_debugging_mvcc_watch_stream_total")).toBe(1);
    stream.close();
    stream.close();
    expect(await cluster.settled(stream.next())).toBeUndefined();
    expect([metricsOf(leader).get(started), metricsOf(leader).get(handled)]).toEqual([1, 1]);

    const parts = leader.services.kv.rangeStream(rangeRequest({ key, serializable: true }), CALL);
    for await (const part of parts) expect(part.rangeResponse?.count).toBe(0);
    const ranged = labelled("grpc_server_handled_total", "KV", "RangeStream", "server_stream", "OK");
    expect(metricsOf(leader).get(ranged)).toBe(1);
  });

  test("clients' messages are counted in bytes, both ways, in streams too", async () => {
    const { cluster, leader } = await founded(1);
    const traffic = (): readonly number[] =>
      ["received", "sent"].map((way) => metricsOf(leader).get(`etcd_network_client_grpc_${way}_bytes_total`) ?? 0);
    const stream = leader.services.watch.watch(CALL);
    stream.request({ type: "create", create: watchCreateRequest({ key }) });
    await cluster.settled(stream.next());
    const before = traffic();
    await cluster.settled(leader.services.kv.put(putRequest({ key, value: new Uint8Array(1_000) }), CALL));
    const [received = 0, sent = 0] = traffic().map((bytes, at) => bytes - (before[at] ?? 0));
    expect(received).toBeGreaterThan(1_000);
    expect(received).toBeLessThan(1_050);
    expect(sent).toBeLessThan(60);
    await cluster.settled(stream.next());
    expect((traffic()[1] ?? 0) - (before[1] ?? 0)).toBeGreaterThan(1_000);
    stream.close();
  });

  test("changes of data are counted by their kind", async () => {
    const { cluster, leader } = await founded(1);
    const { kv, lease } = leader.services;
    const put = { type: "put", put: putRequest({ key }) } as const;
    await cluster.settled(kv.txn(txnRequest({ success: [put] }), CALL));
    await cluster.settled(kv.deleteRange(deleteRangeRequest({ key }), CALL));
    await cluster.settled(lease.grant({ id: 7n, ttl: 60 }, CALL));
    await cluster.settled(lease.revoke({ id: 7n }, CALL));
    const values = metricsOf(leader);
    expect(values.get("etcd_mvcc_txn_total")).toBe(1);
    expect(values.get("etcd_mvcc_put_total")).toBe(1);
    expect(values.get("etcd_mvcc_delete_total")).toBe(1);
    expect(values.get("etcd_debugging_mvcc_events_total")).toBe(2);
    expect(values.get("etcd_debugging_lease_granted_total")).toBe(1);
    expect(values.get("etcd_debugging_lease_revoked_total")).toBe(1);
    expect(values.get("etcd_disk_wal_fsync_duration_seconds_count")).toBeGreaterThan(3);
  });

  test("each peer has its traffic, its round trips and its failures", async () => {
    const { cluster, leader } = await founded(3);
    await cluster.clock.advance(2_000);
    const others = [...cluster.nodes.keys()].filter((id) => id !== leader.id);
    for (const id of others) {
      const values = metricsOf(leader);
      expect(values.get(`etcd_network_peer_sent_bytes_total{To="${id}"}`)).toBeGreaterThan(100);
      expect(values.get(`etcd_network_peer_received_bytes_total{From="${id}"}`)).toBeGreaterThan(100);
      expect(values.get(`etcd_network_peer_round_trip_time_seconds_count{To="${id}"}`)).toBeGreaterThan(10);
      expect(values.get(`etcd_network_active_peers{Local="${leader.id}",Remote="${id}"}`)).toBe(1);
    }
    cluster.crash(others[0] as bigint);
    await cluster.clock.advance(5_000);
    expect(metricsOf(leader).get(`etcd_network_active_peers{Local="${leader.id}",Remote="${others[0]}"}`)).toBe(0);
  });

  test("health checks are counted by their result", async () => {
    const { cluster, leader } = await founded(1);
    const { health } = leader.services;
    await cluster.settled(health.check({ serializable: false, exclude: [] }));
    await cluster.settled(health.probe("readyz", ["non_learner"]));
    const values = metricsOf(leader);
    expect(values.get("etcd_server_health_success")).toBe(1);
    expect(values.get('etcd_server_healthcheck{type="readyz",name="non_learner"}')).toBe(1);
    expect(values.get('etcd_server_healthchecks_total{type="readyz",name="non_learner",status="success"}')).toBe(1);
  });

  test("a histogram counts up to each bound, and everything in the last one", () => {
    const seconds = new Histogram([1, 2]);
    for (const value of [0.5, 1, 1.5, 9]) seconds.observe(value);
    const { bounds, count, sum } = seconds;
    const sample = {
      name: "x",
      type: "histogram",
      help: "h",
      bounds,
      cumulative: seconds.cumulative(),
      count,
      sum,
    } as const;
    expect(prometheusText([{ ...sample, labels: { to: "a" } }])).toBe(
      [
        "# HELP x h",
        "# TYPE x histogram",
        'x_bucket{to="a",le="1"} 2',
        'x_bucket{to="a",le="2"} 3',
        'x_bucket{to="a",le="+Inf"} 4',
        'x_sum{to="a"} 12',
        'x_count{to="a"} 4',
        "",
      ].join("\n"),
    );
  });
});
