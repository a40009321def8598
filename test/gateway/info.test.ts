import { expect, test } from "vitest";
import { prometheusText } from "../../src/gateway/prometheus.ts";
import { Cluster } from "../member/cluster.ts";
import { Endpoint } from "./endpoint.ts";

test("/version names an etcd version, and only GET asks for it", async () => {
  const endpoint = await Endpoint.open();

  const version = await endpoint.call("/version");
  const posted = await endpoint.post("/version", {});

  expect(Object.keys(version.json)).toEqual(["etcdserver", "etcdcluster", "storage"]);
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
});

test("/health is true with a leader, and false with etcd's reason without one", async () => {
  const endpoint = await Endpoint.open();
  const cluster = await Cluster.founded(3);
  const { id, services } = await cluster.elected();
  for (const other of cluster.nodes.keys()) if (other !== id) cluster.crash(other);
  const lonely = new Endpoint(cluster, services);
  await cluster.clock.advance(5_000);

  const healthy = await endpoint.call("/health");
  const unhealthy = await lonely.call("/health");
  const local = await lonely.call("/health?serializable=true");

  expect([healthy.status, healthy.text]).toEqual([200, '{"health":"true","reason":""}']);
  expect([unhealthy.status, unhealthy.text]).toEqual([503, '{"health":"false","reason":"RAFT NO LEADER"}']);
  expect(local.status).toBe(200);
});

test("/metrics is Prometheus text under etcd's names", async () => {
  const endpoint = await Endpoint.open();

  const metrics = await endpoint.call("/metrics");

  expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(metrics.text).toContain("# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 1\n");
});

test("label values and help texts cannot break a line of metrics", () => {
  const labels = { path: 'a"b\\c\nd' };
  const sample = { name: "x_total", type: "counter", help: "two\nlines", labels, value: 1 } as const;

  const text = prometheusText([sample, { ...sample, labels: { path: "e" }, value: Infinity }]);

  expect(text).toBe(
    '# HELP x_total two\\nlines\n# TYPE x_total counter\nx_total{path="a\\"b\\\\c\\nd"} 1\nx_total{path="e"} +Inf\n',
  );
});

test("/quorate/status is the member's own view", async () => {
  const endpoint = await Endpoint.open();

  const status = await endpoint.call("/quorate/status");

  expect(status.json).toMatchObject({ id: "1", role: "leader", leader: "1", clusterId: "7", revision: 1 });
});
