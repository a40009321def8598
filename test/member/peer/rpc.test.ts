import { expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, errNotLeader, errRequestTooManyRequests, errTimeout } from "../../../src/protocol/errors.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import type { FrameBody } from "../../../src/protocol/peer/frame-schema.ts";
import type { Outcome } from "../../../src/member/outcome.ts";
import { Rpc } from "../../../src/member/peer/rpc.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const LIMITS = { pending: 2, timeoutMs: 1_000, retryMs: 300 };

/** One end, whose frames the test delivers. */
class End {
  readonly sent: { readonly to: bigint; readonly body: FrameBody }[] = [];
  readonly outcomes: string[] = [];
  nowMs = 0;
  readonly deferred: (() => void)[] = [];
  readonly rpc: Rpc;

  constructor(firstCall = 0) {
    const host = {
      id: 1n,
      firstCall,
      send: (to: bigint, body: FrameBody) => void this.sent.push({ to, body }),
      nowMs: () => this.nowMs,
      defer: (run: () => void) => void this.deferred.push(run),
    };
    this.rpc = new Rpc(host, LIMITS);
    this.rpc.handle("echo", (payload, done) => done({ ok: true, value: payload }));
  }

  readonly done = (outcome: Outcome<Uint8Array>): void => {
    this.outcomes.push(outcome.ok ? utf8Decode(outcome.value) : outcome.error.message);
  };

  call(text: string, to = 2n): void {
    this.rpc.call(to, "echo", utf8Encode(text), this.done);
  }

  answer(at: number, payload: string, by?: bigint): void {
    const { body, to } = this.sent[at] as { readonly body: FrameBody; readonly to: bigint };
    if (body.type !== "rpc") throw new Error("a call");
    this.rpc.onResponse(by ?? to, {
      type: "rpc-response",
      id: body.id,
      code: 0,
      message: "",
      payload: utf8Encode(payload),
    });
  }

  refuse(at: number, error: EtcdError): void {
    const { body, to } = this.sent[at] as { readonly body: FrameBody; readonly to: bigint };
    if (body.type !== "rpc") throw new Error("a call");
    const { code, message } = error;
    this.rpc.onResponse(to, { type: "rpc-response", id: body.id, code, message, payload: new Uint8Array(0) });
  }
}

test("M20 a response completes its call, once, in whatever order responses arrive", () => {
  const end = new End();
  end.call("a");
  end.call("b");
  end.answer(1, "B");
  end.answer(0, "A");
  end.answer(0, "again");
  expect(end.outcomes).toEqual(["B", "A"]);
  expect(end.rpc.pending).toBe(0);
});

test("a call to itself needs no frame, and is not completed before its caller has returned", () => {
  const end = new End();
  end.call("self", 1n);
  expect([end.sent, end.outcomes]).toEqual([[], []]);
  for (const run of end.deferred) run();
  expect(end.outcomes).toEqual(["self"]);
});

test("M20 calls beyond the limit are refused, and so are other members' requests beyond it", () => {
  const end = new End();
  for (const text of ["a", "b", "c"]) end.call(text);
  expect([end.sent.length, end.outcomes]).toEqual([2, [errRequestTooManyRequests.message]]);
  end.rpc.handle("never", () => {});
  for (const id of [1, 2, 3]) end.rpc.onRequest(2n, { type: "rpc", id, method: "never", payload: new Uint8Array(0) });
  expect(end.sent.slice(2)).toMatchObject([{ to: 2n, body: { id: 3, message: errRequestTooManyRequests.message } }]);
});

test("M20 a call without a response times out, and a late response is ignored", () => {
  const end = new End();
  end.call("a");
  end.nowMs = 999;
  end.rpc.expire(errTimeout);
  expect(end.outcomes).toEqual([]);
  end.nowMs = 1_000;
  end.rpc.expire(errTimeout);
  end.answer(0, "late");
  expect(end.outcomes).toEqual([errTimeout.message]);
});

test("a request gets its handler's response, an unknown method code 12", () => {
  const end = new End();
  end.rpc.handle("fail", (_payload, done) => done({ ok: false, error: errNotLeader }));
  for (const method of ["echo", "fail", "nothing"]) {
    end.rpc.onRequest(2n, { type: "rpc", id: 7, method, payload: utf8Encode("x") });
  }
  expect(end.sent.map(({ body }) => (body.type === "rpc-response" ? [body.id, body.code, body.message] : []))).toEqual([
    [7, GrpcCode.OK, ""],
    [7, errNotLeader.code, errNotLeader.message],
    [7, GrpcCode.Unimplemented, "unknown method nothing"],
  ]);
});

test("M20 a response is accepted only from the callee", () => {
  const end = new End();
  end.call("a");
  end.answer(0, "forged", 3n);
  expect([end.outcomes, end.rpc.pending]).toEqual([[], 1]);
  end.answer(0, "A");
  expect([end.outcomes, end.rpc.pending]).toEqual([["A"], 0]);
});

test("M20 a call to the leader waits for one, and is sent to the next one when that one no longer leads or does not respond", () => {
  const end = new End();
  end.rpc.callLeader("echo", utf8Encode("x"), end.done);
  end.rpc.dispatch(0n);
  expect(end.sent).toEqual([]);
  end.rpc.dispatch(2n);
  end.rpc.dispatch(2n);
  expect(end.sent.map(({ to }) => to)).toEqual([2n]);
  end.refuse(0, errNotLeader);
  end.rpc.dispatch(3n);
  expect(end.sent).toHaveLength(1);
  end.nowMs = 50;
  end.rpc.dispatch(3n);
  end.nowMs = 350;
  end.rpc.dispatch(4n);
  expect(end.sent.map(({ to }) => to)).toEqual([2n, 3n, 4n]);
  // The call to 3 was replaced by the one to 4.
  end.answer(1, "three");
  end.answer(2, "four");
  expect([end.outcomes, end.rpc.pending]).toEqual([["four"], 0]);
});

test("M20 a call to the leader ends with the leader's error, or times out after all attempts", () => {
  const end = new End();
  const refusal = new EtcdError(GrpcCode.NotFound, "no such thing");
  end.rpc.callLeader("echo", new Uint8Array(0), end.done);
  end.rpc.dispatch(2n);
  end.refuse(0, refusal);
  end.rpc.callLeader("echo", new Uint8Array(0), end.done);
  for (end.nowMs = 0; end.nowMs < 1_000; end.nowMs += 100) end.rpc.dispatch(2n);
  end.rpc.expire(errTimeout);
  expect([end.outcomes, end.rpc.pending]).toEqual([[refusal.message, errTimeout.message], 0]);
});

test("members call each other, a quiesced one is woken by it, and a stopped one fails its calls", async () => {
  const cluster = await Cluster.founded(3, { quiesceAfterTicks: 20 });
  const leader = await cluster.elected();
  await cluster.settled(leader.services.lease.grant({ id: 5n, ttl: 600 }, CALL));
  const [one, two] = [...cluster.nodes.values()].filter((node) => node !== leader) as [Node, Node];
  two.member.rpc.handle("who", (_payload, done, from) => done({ ok: true, value: utf8Encode(`${two.id} ${from}`) }));
  await cluster.clock.advance(10_000);
  expect(cluster.clock.timerCount).toBe(1);
  const answers: string[] = [];
  const ask = (): void => {
    one.member.rpc.call(two.id, "who", new Uint8Array(0), (outcome) => {
      answers.push(outcome.ok ? utf8Decode(outcome.value) : outcome.error.message);
    });
    one.member.wake();
  };
  ask();
  await cluster.clock.until(() => answers.length === 1, "answered");
  cluster.crash(two.id);
  ask();
  one.member.stop();
  expect(answers).toEqual([`${two.id} ${one.id}`, "etcdserver: server stopped"]);
});
