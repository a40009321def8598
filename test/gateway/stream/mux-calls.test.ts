/** Single calls over a multiplexed connection: what their callers may hold, and that they are made once. */
import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { serveMux } from "../../../src/gateway/stream/mux-server.ts";
import type { MuxSocket } from "../../../src/gateway/stream/mux-sender.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { errRequestTooManyRequests } from "../../../src/protocol/errors.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import { lockRequest } from "../../../src/protocol/api/lock.ts";
import { RPCS } from "../../../src/protocol/api/rpc/rpc-table.ts";
import { rpcPath } from "../../../src/protocol/api/rpc/rpc.ts";
import { decodeFrames, encodeBatch, encodeFrame } from "../../../src/protocol/mux-frame.ts";
import type { MuxFrame } from "../../../src/protocol/mux-frame.ts";
import { SocketEnd } from "../../grpc/support/socket-pair.ts";
import { CALL, Cluster } from "../../member/support/cluster.ts";
import type { NodeOptions } from "../../member/support/cluster.ts";

class Caller {
  readonly near: SocketEnd = new SocketEnd();
  readonly frames: MuxFrame[] = [];
  messages = 0;
  #stream = 0;

  constructor(cluster: Cluster, address: string) {
    const far = new SocketEnd();
    this.near.peer = far;
    far.peer = this.near;
    this.near.addEventListener("message", ({ data }) => {
      this.messages += 1;
      this.frames.push(...(decodeFrames(new Uint8Array(data as ArrayBuffer))?.frames ?? []));
    });
    const { services } = cluster.node(1n);
    serveMux(services, far as unknown as MuxSocket, { maxMessageBytes: 1 << 20 }, { ...CALL, address });
  }

  lock(): MuxFrame[] {
    return this.call(rpcPath(RPCS.lock.lock), encode(RPCS.lock.lock.request, lockRequest({ name: utf8Encode("l") })));
  }

  put(): MuxFrame[] {
    const request = putRequest({ key: utf8Encode("k"), value: utf8Encode("v") });
    return this.call(rpcPath(RPCS.kv.put), encode(RPCS.kv.put.request, request));
  }

  call(method: string, bytes: Uint8Array): MuxFrame[] {
    this.#stream += 1;
    const stream = this.#stream;
    return [
      { type: "open", stream, method, token: "", requireLeader: false },
      { type: "piece", stream, bytes, isLast: true },
    ];
  }

  send(frames: readonly MuxFrame[]): void {
    this.near.send(encodeBatch(frames.map(encodeFrame)));
  }

  get ends(): MuxFrame[] {
    return this.frames.filter(({ type }) => type === "end");
  }
}

async function founded(options: NodeOptions = {}): Promise<Cluster> {
  const cluster = await Cluster.founded(1, options);
  await cluster.elected();
  return cluster;
}

test("calls count against their caller's limits, over one connection as over many; its neighbour is not affected", async () => {
  const cluster = await founded({ limits: { pendingRequestsPerCaller: 4 } });
  const [flooder, neighbour] = [new Caller(cluster, "192.0.2.1"), new Caller(cluster, "192.0.2.2")];
  flooder.send(Array.from({ length: 10 }, () => flooder.lock()).flat());
  await cluster.clock.until(() => flooder.ends.length >= 7, "the first has the lock, and the last six were refused");
  const refused = { type: "end", code: 8, message: errRequestTooManyRequests.message };
  expect(flooder.ends.filter((end) => end.type === "end" && end.code !== 0)).toHaveLength(6);
  expect(flooder.ends).toContainEqual(expect.objectContaining(refused));
  neighbour.send(neighbour.put());
  await cluster.clock.until(() => neighbour.ends.length === 1, "served");
  expect(neighbour.ends).toMatchObject([{ code: 0 }]);
});

test("calls whose caller is gone leave the queue", async () => {
  const cluster = await founded();
  const holder = new Caller(cluster, "192.0.2.1");
  holder.send(holder.lock());
  await cluster.clock.until(() => holder.ends.length === 1, "held");
  const second = new Caller(cluster, "192.0.2.2");
  second.send(second.lock());
  const { store } = cluster.node(1n).member.machine;
  await cluster.clock.until(() => store.revision === 3, "it waits");
  second.near.close();
  await cluster.clock.until(() => store.revision === 4, "its place was deleted");
});

test("a second request on the stream of a single call is not executed", async () => {
  const cluster = await founded();
  const caller = new Caller(cluster, "192.0.2.1");
  const [open, request] = caller.put();
  caller.send([open as MuxFrame, request as MuxFrame, request as MuxFrame]);
  await cluster.clock.until(() => caller.ends.length > 0, "answered");
  await cluster.clock.advance(1_000);
  expect(caller.frames.map(({ type }) => type)).toEqual(["piece", "end"]);
  expect(cluster.node(1n).member.machine.store.revision).toBe(2);
});

test("the answers of a turn are one message to a caller that sends batches, and single frames to another", async () => {
  const cluster = await founded();
  const caller = new Caller(cluster, "192.0.2.1");
  caller.send(Array.from({ length: 32 }, () => caller.put()).flat());
  await cluster.clock.until(() => caller.ends.length === 32, "answered");
  expect(caller.messages).toBeLessThan(8);
  const former = new Caller(cluster, "192.0.2.2");
  for (const frame of former.put()) former.near.send(encodeFrame(frame));
  await cluster.clock.until(() => former.ends.length === 1, "answered");
  expect(former.messages).toBe(2);
});
