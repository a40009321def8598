import { describe, expect, test } from "vitest";
import type { DowngradeAction } from "../../../src/protocol/api/maintenance.ts";
import { downgradeRequest } from "../../../src/protocol/api/maintenance.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const WRONG_FORMAT = "etcdserver: wrong downgrade target version format";
const WRONG_TARGET = "etcdserver: invalid downgrade target version";
const IN_PROGRESS = "etcdserver: cluster has a downgrade job in progress";

async function ask(cluster: Cluster, node: Node, action: DowngradeAction, version = ""): Promise<string> {
  const request = downgradeRequest({ action, version });
  return cluster.settled(
    node.services.maintenance.downgrade(request, CALL).then(
      (response) => response.version,
      (error: Error) => error.message,
    ),
  );
}

async function versionsOf(node: Node): Promise<unknown> {
  const { storageVersion, downgradeInfo } = await node.services.maintenance.status({}, CALL);
  return { storageVersion, ...downgradeInfo };
}

describe("a target is one minor version below the cluster's, in a form that etcd reads", () => {
  test.each([
    ["3.6", "3.7"],
    ["3.6.0", "3.7"],
    ["3.6.1", "3.7"],
    ["3.06", "3.7"],
    ["3.6.0-rc1", "3.7"],
    ["3.6.0+b", "3.7"],
    ["3.6.0-", "3.7"],
    ["3.6.0-01", "3.7"],
    ["3.5", WRONG_TARGET],
    ["3.7", WRONG_TARGET],
    ["3.8", WRONG_TARGET],
    ["4.6.0", WRONG_TARGET],
    ["2.7", WRONG_TARGET],
    ["", WRONG_FORMAT],
    ["x", WRONG_FORMAT],
    ["3", WRONG_FORMAT],
    ["v3.6", WRONG_FORMAT],
    [" 3.6", WRONG_FORMAT],
    ["3.6.", WRONG_FORMAT],
    [".6", WRONG_FORMAT],
    ["3.6.x", WRONG_FORMAT],
    ["3.6.0.0", WRONG_FORMAT],
    ["-3.6", WRONG_FORMAT],
    ["3.+6", WRONG_FORMAT],
    ["3.6-a", WRONG_FORMAT],
    ["3.6+b", WRONG_FORMAT],
    ["3.6.0-a..b", WRONG_FORMAT],
    ["3.6.0-rc_1", WRONG_FORMAT],
    ["3.99999999999999999999", WRONG_FORMAT],
  ])("%j: %s", async (version, answer) => {
    const cluster = await Cluster.founded(1);
    expect(await ask(cluster, await cluster.elected(), "VALIDATE", version)).toBe(answer);
  });
});

test("M41 a downgrade is known to every member at once, and the cluster version follows within seconds", async () => {
  const cluster = await Cluster.founded(3);
  await cluster.elected();
  const node = cluster.node(2n);
  expect(await ask(cluster, node, "ENABLE", "3.6.5")).toBe("3.7");
  expect(await versionsOf(node)).toEqual({ storageVersion: "3.7.0", enabled: true, targetVersion: "3.6.0" });
  expect(await ask(cluster, node, "VALIDATE", "3.6")).toBe(IN_PROGRESS);
  expect(await ask(cluster, node, "ENABLE", "3.6")).toBe(IN_PROGRESS);
  expect(await ask(cluster, node, "ENABLE", "3.5")).toBe(WRONG_TARGET);
  await cluster.clock.advance(6_000);
  for (const each of cluster.nodes.values()) {
    expect(await versionsOf(each)).toEqual({ storageVersion: "3.6.0", enabled: true, targetVersion: "3.6.0" });
  }
  expect(await ask(cluster, node, "VALIDATE", "3.6")).toBe(WRONG_TARGET);
  expect(await ask(cluster, node, "VALIDATE", "3.5")).toBe(IN_PROGRESS);
});

test("M41 a cancelled downgrade ends at once, and the cluster version returns within seconds", async () => {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  await ask(cluster, node, "ENABLE", "3.6");
  await cluster.clock.advance(6_000);
  expect(await ask(cluster, node, "CANCEL")).toBe("3.6");
  expect(await versionsOf(node)).toEqual({ storageVersion: "3.6.0", enabled: false, targetVersion: "" });
  await cluster.clock.advance(6_000);
  expect(await versionsOf(node)).toEqual({ storageVersion: "3.7.0", enabled: false, targetVersion: "" });
});

test("cancelling without a downgrade succeeds, as in etcd", async () => {
  const cluster = await Cluster.founded(1);
  expect(await ask(cluster, await cluster.elected(), "CANCEL", "3.5")).toBe("3.7");
});

test("an unknown action is an unknown method", async () => {
  const cluster = await Cluster.founded(1);
  expect(await ask(cluster, await cluster.elected(), 7, "3.6")).toBe("etcdserver: unknown method");
});

test("M41 a member that restarts before the cluster version has followed completes the downgrade", async () => {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  await ask(cluster, node, "ENABLE", "3.6");
  await cluster.clock.advance(1_000);
  const again = await cluster.start(1n, { type: "join" }, cluster.crash(1n));
  await cluster.clock.advance(10_000);
  expect(await versionsOf(again)).toMatchObject({ storageVersion: "3.6.0" });
});
