/**
 * A served tab that reads often answers ranges from a copy. A real member, the tab's two ends, and a real BroadcastChannel
 * between them, whose messages are counted.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import type { Services, WatchStream } from "../../../src/member/api/services.ts";
import type { Member } from "../../../src/member/node/member.ts";
import { authRoleAddRequest, authUserAddRequest, authUserGrantRoleRequest } from "../../../src/protocol/api/auth.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RangeRequest, RangeResponse } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchRequest } from "../../../src/protocol/api/watch.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import { READS_MIN } from "../../../src/room/tabs/copied-reads.ts";
import { COPIED_KEYS_MAX } from "../../../src/room/tabs/followed-copy.ts";
import { ServedTab } from "../../../src/room/tabs/served-tab.ts";
import { TabServer } from "../../../src/room/tabs/tab-server.ts";
import { startMember } from "../../client/support/own-member.ts";
import { CALL } from "../../member/support/cluster.ts";

const ALL = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };

let member: Member;
/** Of the member itself. */
let own: Services;
/** Of the tab that is served. */
let served: Services;
let server: TabServer;
let tab: ServedTab;
let counter: BroadcastChannel;
let messages: number;
/** What the watch of the served tab's copy tells waits for this. */
let gate: Promise<void>;
let openGate: () => void;

function closeGate(): void {
  gate = new Promise((resolve) => {
    openGate = resolve;
  });
}

beforeEach(async () => {
  ({ member, services: own } = await startMember());
  gate = Promise.resolve();
  openGate = () => {};
  const channel = `test/${crypto.randomUUID()}`;
  messages = 0;
  counter = new BroadcastChannel(channel);
  counter.addEventListener("message", () => (messages += 1));
  server = new TabServer({
    channelOf: () => channel,
    news: () => ({ type: "news", state: { type: "opening" }, view: undefined }),
    onRequest: () => {},
    whenGone: () => {},
  });
  server.attach({ ...own, watch: { watch: (context) => gated(own.watch.watch(context)) } }, member);
  served = await new Promise<Services>((resolve) => {
    tab = new ServedTab({ channel, onOpen: resolve, onNews: () => {}, onLost: () => {} });
    server.connect("0123456789abcdef");
  });
});

afterEach(() => {
  openGate();
  tab.close();
  server.close();
  counter.close();
  member.stop();
});

function gated(stream: WatchStream): WatchStream {
  let isOfCopy = false;
  const next = async (): ReturnType<WatchStream["next"]> => {
    const response = await stream.next();
    if (isOfCopy) await gate;
    return response;
  };
  const request = (asked: WatchRequest): void => {
    if (asked.type === "create" && asked.create.key.length === 1 && asked.create.key[0] === 0) isOfCopy = true;
    stream.request(asked);
  };
  return { request, next, close: () => stream.close() };
}

/** Messages that a step costs, in both directions. */
async function costOf(step: () => Promise<unknown>): Promise<number> {
  await pause();
  const before = messages;
  await step();
  await pause();
  return messages - before;
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

function serializable(key: string): RangeRequest {
  return rangeRequest({ key: utf8Encode(key), serializable: true });
}

function readOften(): Promise<unknown> {
  return Promise.all(Array.from({ length: READS_MIN }, () => served.kv.range(serializable("x"), CALL)));
}

/** Until serializable reads of the served tab come from its copy. */
async function untilCopied(): Promise<void> {
  await readOften();
  // A question whether the member still answers is asked twice a second, and is not this read's cost.
  for (;;) if ((await costOf(() => served.kv.range(serializable("x"), CALL))) === 0) return;
}

async function put(services: Services, key: string, value: string): Promise<void> {
  await services.kv.put(putRequest({ key: utf8Encode(key), value: utf8Encode(value) }), CALL);
}

function textIn({ kvs }: RangeResponse): string | undefined {
  const [first] = kvs;
  return first === undefined ? undefined : utf8Decode(first.value);
}

describe("a served tab that reads often", () => {
  test("reads its copy: a serializable range costs no message, and linearizable ones of a moment share one each way", async () => {
    await put(own, "k", "v");
    await untilCopied();
    const many = (request: RangeRequest) => () =>
      Promise.all(Array.from({ length: 50 }, () => served.kv.range(request, CALL)));
    expect(await costOf(many(serializable("k")))).toBeLessThanOrEqual(2);
    expect(await costOf(many(rangeRequest({ key: utf8Encode("k") })))).toBeLessThanOrEqual(4);
  });

  test("gets what the member responds, header and errors included, whatever is read", async () => {
    const prng = new Prng(7);
    await fill(prng, own, 100);
    await untilCopied();
    for (let round = 0; round < 15; round += 1) {
      await fill(prng, round % 2 === 0 ? own : served, 8);
      // Serializable ranges may be older than what others wrote, but not than what this tab was told.
      await served.kv.range(rangeRequest(ALL), CALL);
      for (let read = 0; read < 20; read += 1) {
        const request = randomRange(prng);
        expect(await outcomeOf(served, request), JSON.stringify(request)).toEqual(await outcomeOf(own, request));
      }
    }
  });

  test("sees its own writes, and what its watches told it, in serializable ranges, however late its copy is", async () => {
    await put(own, "k", "old");
    const watch = served.watch.watch(CALL);
    watch.request({ type: "create", create: watchCreateRequest({ key: utf8Encode("told") }) });
    await watch.next();
    await untilCopied();
    closeGate();
    await put(served, "k", "new");
    expect(textIn(await served.kv.range(serializable("k"), CALL))).toBe("new");
    await put(own, "told", "by a watch");
    await watch.next();
    expect(textIn(await served.kv.range(serializable("told"), CALL))).toBe("by a watch");
    watch.close();
  });

  test("sees in a linearizable range what was written elsewhere before it, however late its copy is", async () => {
    await put(own, "k", "old");
    await untilCopied();
    closeGate();
    await put(own, "k", "new");
    expect(textIn(await served.kv.range(rangeRequest({ key: utf8Encode("k") }), CALL))).toBe("new");
  });

  test("does not join a question that was sent before the read began", async () => {
    await untilCopied();
    for (let n = 0; n < 50; n += 1) {
      const earlier = served.kv.range(rangeRequest({ key: utf8Encode("k") }), CALL);
      await new Promise((resolve) => setTimeout(resolve, n % 3));
      await put(own, "k", `${n}`);
      expect(textIn(await served.kv.range(rangeRequest({ key: utf8Encode("k") }), CALL))).toBe(`${n}`);
      await earlier;
    }
  });

  test("reads nothing without a token any more when auth is enabled, elsewhere or by itself", async () => {
    await put(own, "k", "secret");
    await untilCopied();
    await own.auth.userAdd(authUserAddRequest({ name: "root", password: "r" }), CALL);
    await own.auth.roleAdd(authRoleAddRequest({ name: "root" }), CALL);
    await own.auth.userGrantRole(authUserGrantRoleRequest({ user: "root", role: "root" }), CALL);
    await own.auth.authEnable({}, CALL);
    const refused = { code: GrpcCode.InvalidArgument, message: expect.stringContaining("user name is empty") };
    await expect(served.kv.range(rangeRequest({ key: utf8Encode("k") }), CALL)).rejects.toMatchObject(refused);
    await expect.poll(() => outcomeOf(served, serializable("k"))).toMatchObject(refused);
  });

  test("asks for what the copy does not have: former revisions, and every range with a token", async () => {
    await put(own, "k", "first");
    const { header } = await own.kv.range(serializable("k"), CALL);
    await put(own, "k", "second");
    await untilCopied();
    const former = { ...serializable("k"), revision: header.revision };
    expect(textIn(await served.kv.range(former, CALL))).toBe("first");
    expect(await costOf(() => served.kv.range(serializable("k"), { ...CALL, token: "t" }))).toBeGreaterThan(1);
  });

  test("responds nothing any more when the member has stopped", async () => {
    await put(own, "k", "v");
    await untilCopied();
    member.stop();
    const stopped = { message: expect.stringContaining("stopped") };
    await expect.poll(() => outcomeOf(served, serializable("k"))).toMatchObject(stopped);
  });
});

test("a served tab that reads seldom has no copy, and one of a large room neither", async () => {
  await served.kv.range(serializable("k"), CALL);
  expect(await costOf(() => served.kv.range(serializable("k"), CALL))).toBeGreaterThan(1);
  const operations = Array.from({ length: 100 }, (_, n) => n);
  for (let n = 0; n <= COPIED_KEYS_MAX; n += operations.length) {
    const success = operations.map((at) => {
      const key = utf8Encode(`many/${n + at}`);
      return { type: "put", put: putRequest({ key, value: key }) } as const;
    });
    await own.kv.txn(txnRequest({ success }), CALL);
  }
  await readOften();
  await pause();
  expect(await costOf(() => served.kv.range(serializable("k"), CALL))).toBeGreaterThan(1);
});

const KEYS = ["a", "a/1", "a/2", "b", "b/1", "c", "d/1", "d/2"];

function randomKey(prng: Prng): Uint8Array {
  return utf8Encode(prng.pick(KEYS));
}

async function fill(prng: Prng, { kv }: Services, writes: number): Promise<void> {
  for (let n = 0; n < writes; n += 1) {
    const key = randomKey(prng);
    const value = utf8Encode(`${prng.int(0, 5)}`);
    const other = { type: "put", put: putRequest({ key: utf8Encode(`e/${prng.int(0, 3)}`), value }) } as const;
    if (prng.int(0, 4) === 0) await kv.deleteRange(deleteRangeRequest({ key }), CALL);
    else if (prng.int(0, 3) > 0) await kv.put(putRequest({ key, value }), CALL);
    else await kv.txn(txnRequest({ success: [{ type: "put", put: putRequest({ key, value }) }, other] }), CALL);
  }
}

function randomRange(prng: Prng): RangeRequest {
  const end = prng.pick([Uint8Array.of(), Uint8Array.of(0), randomKey(prng)]);
  const sometimes = (value: number): number => (prng.int(0, 4) === 0 ? value : 0);
  return rangeRequest({
    ...(prng.int(0, 4) === 0 ? ALL : { key: prng.int(0, 20) === 0 ? Uint8Array.of() : randomKey(prng), rangeEnd: end }),
    limit: sometimes(prng.int(0, 4)),
    sortOrder: prng.pick(["NONE", "ASCEND", "DESCEND"]),
    sortTarget: prng.pick(["KEY", "VERSION", "CREATE", "MOD", "VALUE"]),
    serializable: prng.int(0, 2) === 0,
    keysOnly: prng.int(0, 5) === 0,
    countOnly: prng.int(0, 8) === 0,
    minModRevision: sometimes(prng.int(0, 100)),
    maxCreateRevision: sometimes(prng.int(0, 100)),
  });
}

/** The response or the error. */
function outcomeOf({ kv }: Services, request: RangeRequest): Promise<unknown> {
  return kv.range(request, CALL).catch((error: unknown) => error);
}
