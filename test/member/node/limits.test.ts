/** The limits of a member, reached through its services: etcd's exact errors. */
import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { MemberLimits } from "../../../src/member/options.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { putRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RequestOp } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, Cluster } from "../support/cluster.ts";

interface World {
  readonly cluster: Cluster;
  readonly services: Services;
}

async function withLimits(limits: Partial<MemberLimits>): Promise<World> {
  const cluster = await Cluster.founded(1, { limits });
  const { services } = await cluster.elected();
  return { cluster, services };
}

/** "ok", or the text of the error. */
async function outcome({ cluster }: World, call: Promise<unknown>): Promise<string> {
  return cluster.settled(
    call.then(
      () => "ok",
      (error: unknown) => (error as Error).message,
    ),
  );
}

const put = (key: string, bytes = 0): RequestOp => ({
  type: "put",
  put: putRequest({ key: utf8Encode(key), value: new Uint8Array(bytes) }),
});

test("a txn has at most max-txn-ops operations", async () => {
  const world = await withLimits({ txnOperations: 3 });
  const txn = (count: number): Promise<string> =>
    outcome(
      world,
      world.services.kv.txn(txnRequest({ success: ["a", "b", "c", "d"].slice(0, count).map((key) => put(key)) }), CALL),
    );

  expect([await txn(3), await txn(4)]).toEqual(["ok", "etcdserver: too many operations in txn request"]);
});

test("a request has at most max-request-bytes bytes", async () => {
  const world = await withLimits({ requestBytes: 1_000 });
  const large = (bytes: number): Promise<string> =>
    outcome(world, world.services.kv.put(putRequest({ key: utf8Encode("a"), value: new Uint8Array(bytes) }), CALL));

  expect([await large(900), await large(1_000)]).toEqual(["ok", "etcdserver: request is too large"]);
});

test("at most max-pending-requests requests wait for a response", async () => {
  const world = await withLimits({ pendingRequests: 2 });
  const asked = ["a", "b", "c"].map((key) =>
    outcome(world, world.services.kv.put(putRequest({ key: utf8Encode(key) }), CALL)),
  );

  expect(await Promise.all(asked)).toEqual(["ok", "ok", "etcdserver: too many requests"]);
});

test("at most max-concurrent-streams watch streams are open, and one that ends makes room", async () => {
  const { services } = await withLimits({ watchStreams: 2 });
  const first = services.watch.watch(CALL);
  services.watch.watch(CALL);
  const refused = (): unknown => services.watch.watch(CALL);

  expect(refused).toThrow("etcdserver: too many requests");
  first.close();
  first.close();
  expect(refused).not.toThrow();
  expect(refused).toThrow("etcdserver: too many requests");
});

test("at most max-watchers watches exist; one more is refused and harms no other", async () => {
  const world = await withLimits({ watchers: 1 });
  const stream = world.services.watch.watch(CALL);
  const create = watchCreateRequest({ key: utf8Encode("a") });
  stream.request({ type: "create", create });
  stream.request({ type: "create", create });

  expect(await world.cluster.settled(stream.next())).toMatchObject({ created: true, canceled: false });
  expect(await world.cluster.settled(stream.next())).toMatchObject({
    created: true,
    canceled: true,
    cancelReason: "etcdserver: too many requests",
  });
  await outcome(world, world.services.kv.put(putRequest({ key: utf8Encode("a") }), CALL));
  expect((await world.cluster.settled(stream.next()))?.events).toHaveLength(1);
});
