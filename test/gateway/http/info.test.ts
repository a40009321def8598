import { expect, test } from "vitest";
import { prometheusText } from "../../../src/gateway/http/prometheus.ts";
import { alarmRequest } from "../../../src/protocol/api/maintenance.ts";
import type { AlarmType } from "../../../src/protocol/api/maintenance.ts";
import { CALL, Cluster } from "../../member/support/cluster.ts";
import { Endpoint } from "../support/endpoint.ts";

test("/version names an etcd version, and only GET is accepted", async () => {
  const endpoint = await Endpoint.open();

  const version = await endpoint.call("/version");
  const posted = await endpoint.post("/version", {});

  expect(Object.keys(version.json)).toEqual(["etcdserver", "etcdcluster", "storage"]);
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
  expect(posted.headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

test.each(["/v3?a=1&b", "//v3//?a=1&b", "/v3//?a=1&b"])(
  "%s is sent to where it belongs, as Go's server does it",
  async (path) => {
    const endpoint = await Endpoint.open();
    const received = async (method: string): Promise<unknown> => {
      const response = await endpoint.fetch(path, { method });
      const { headers } = response;
      return [response.status, headers.get("location"), headers.get("content-type"), await response.text()];
    };
    const html = "text/html; charset=utf-8";
    expect(await received("POST")).toEqual([307, "/v3/?a=1&b", null, ""]);
    expect(await received("HEAD")).toEqual([307, "/v3/?a=1&b", html, ""]);
    const page = '<a href="/v3/?a=1&amp;b">Temporary Redirect</a>.\n\n';
    expect(await received("GET")).toEqual([307, "/v3/?a=1&b", html, page]);
  },
);

test("/version says which version the cluster keeps to while a downgrade is under way", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/maintenance/downgrade", { action: "ENABLE", version: "3.6" });
  await endpoint.cluster.clock.advance(6_000);
  const { json } = await endpoint.call("/version");
  expect(json).toEqual({ etcdserver: "3.7.1", etcdcluster: "3.6.0", storage: "3.6.0" });
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
  expect([unhealthy.status, unhealthy.text]).toEqual([503, '{"health":"false","reason":"RAFT NO LEADER"}\n']);
  expect(local.status).toBe(200);
});

test("/health reports an alarm before anything else, unless that kind is excluded", async () => {
  const endpoint = await Endpoint.open();
  await raise(endpoint, "NOSPACE");

  const health = await endpoint.call("/health");
  const excluded = await endpoint.call("/health?exclude=NOSPACE&exclude=CORRUPT");

  expect([health.status, health.text]).toEqual([503, '{"health":"false","reason":"ALARM NOSPACE"}\n']);
  expect(health.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect([excluded.status, excluded.text]).toEqual([200, '{"health":"true","reason":""}']);
});

test("/livez and /readyz say ok, with ?verbose by which checks, and each check has a path of its own", async () => {
  const endpoint = await Endpoint.open();
  const text = async (path: string): Promise<string> => (await endpoint.call(path)).text;

  expect(await text("/livez")).toBe("ok\n");
  expect(await text("/livez?verbose")).toBe("[+]serializable_read ok\nok\n");
  expect(await text("/livez?verbose&exclude=serializable_read")).toBe("ok\n");
  expect(await text("/readyz?verbose=false")).toBe(
    "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n",
  );
  expect(await text("/readyz?verbose&exclude=data_corruption&exclude=linearizable_read&exclude=unknown")).toBe(
    "[+]serializable_read ok\n[+]non_learner ok\nok\n",
  );
  expect(await text("/readyz/non_learner?verbose&exclude=non_learner")).toBe("[+]non_learner ok\nok\n");
  for (const path of ["/livez/", "/livez/non_learner", "/readyz/ping"]) {
    expect((await endpoint.call(path)).status).toBe(404);
  }
  const posted = await endpoint.post("/readyz/data_corruption", {});
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
  expect(posted.headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

test("/readyz lists failed and passed checks without being requested, and /livez is not affected", async () => {
  const endpoint = await Endpoint.open();
  await raise(endpoint, "CORRUPT");

  const ready = await endpoint.call("/readyz?exclude=linearizable_read");
  const alone = await endpoint.call("/readyz/data_corruption");

  expect([ready.status, ready.text]).toEqual([
    503,
    "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n[+]non_learner ok\n\n",
  ]);
  expect([alone.status, alone.text]).toEqual([503, "[-]data_corruption failed: alarm activated: CORRUPT\n\n"]);
  expect((await endpoint.call("/readyz?exclude=data_corruption")).text).toBe("ok\n");
  expect((await endpoint.call("/livez")).text).toBe("ok\n");
});

test("/readyz without a leader fails at once, and only where the others are needed", async () => {
  const cluster = await Cluster.founded(3);
  const { id, services } = await cluster.elected();
  for (const other of cluster.nodes.keys()) if (other !== id) cluster.crash(other);
  const lonely = new Endpoint(cluster, services);
  await cluster.clock.advance(5_000);

  const ready = await lonely.call("/readyz");

  expect(ready.text).toBe(
    "[+]data_corruption ok\n[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: no leader\n[+]non_learner ok\n\n",
  );
  expect((await lonely.call("/livez")).text).toBe("ok\n");
});

test("HEAD is refused where etcd refuses it, and /metrics takes any method, as there", async () => {
  const endpoint = await Endpoint.open();

  for (const path of ["/health", "/livez", "/readyz", "/readyz/non_learner", "/version"]) {
    expect((await endpoint.call(path, { method: "HEAD" })).status).toBe(405);
  }
  expect((await endpoint.call("/metrics", { method: "HEAD" })).status).toBe(200);
  expect((await endpoint.post("/metrics", {})).text).toContain("etcd_server_has_leader 1\n");
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

async function raise({ cluster }: Endpoint, alarm: AlarmType): Promise<void> {
  const { services } = await cluster.elected();
  await cluster.settled(services.maintenance.alarm(alarmRequest({ action: "ACTIVATE", memberId: 5n, alarm }), CALL));
}
