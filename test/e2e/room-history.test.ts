/**
 * One history of a room: what tabs, HTTP and gRPC clients are answered at the same time is linearizable, while the edge is
 * killed and the tab that leads is. The callers and the checkers are those of the chaos.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { connect } from "../../src/client/app/connect.ts";
import { type Ask, askKv, Caller } from "../chaos/callers.ts";
import { judge, judgeWatch } from "../chaos/judge.ts";
import { Front, Recorded, written } from "../chaos/observers.ts";
import { roomTarget } from "../../src/cli/common/room-link.ts";
import { History, KEYS, type Operation, type Result, type Value } from "../sim/history.ts";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { newRoom, roomUrl, Tab } from "./tabs-support.ts";

const TABS = 3;
/** How long all goes on between two harms. */
const CALM_MS = 2_500;
/** Between two calls of a caller. A tab that answers from its own copy is behind for milliseconds. */
const PAUSE_MS = 1;

let browser: Browser;
let data: string;
let server: EdgeServer;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-room-history-"));
  [browser, server] = await Promise.all([launchChromium(), EdgeServer.start(data)]);
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

afterAll(async () => {
  await Promise.all([browser.close(), server.stop()]);
  await rm(data, { recursive: true, force: true });
});

interface PageAnswer {
  readonly values: readonly Value[];
  readonly succeeded: boolean;
  readonly revision: number;
}

/** Asks the member in a tab, by the client that its page has. */
function askTab(tab: Tab): Ask {
  return async (operation) => {
    const answer = await tab.page.evaluate(inPage, { operation, keys: KEYS });
    return { result: resultOf(operation, answer), revision: answer.revision };
  };
}

/** Runs in the page, so it stands alone. */
async function inPage({ operation, keys }: { operation: Operation; keys: number }): Promise<PageAnswer> {
  const { kv, compare, op, toText } = window.quorate;
  const name = (key: number): string => `key${key}`;
  switch (operation.type) {
    case "put": {
      const { header } = await kv.put(name(operation.key), operation.value);
      return { values: [], succeeded: true, revision: header.revision };
    }
    case "delete": {
      const { deleted, header } = await kv.deleteRange(name(operation.key));
      return { values: [], succeeded: deleted > 0, revision: header.revision };
    }
    case "get": {
      const { kvs, header } = await kv.range(name(operation.key));
      return { values: kvs.map(({ value }) => toText(value)), succeeded: true, revision: header.revision };
    }
    case "scan":
    case "peek":
    case "past": {
      const serializable = operation.type === "peek";
      const { kvs, header } = await kv.range("key", { prefix: true, serializable });
      const found = new Map(kvs.map(({ key, value }) => [toText(key), toText(value)]));
      const values = Array.from({ length: keys }, (_, key) => found.get(name(key)));
      return { values, succeeded: true, revision: header.revision };
    }
    case "swap":
    case "pair": {
      const both = operation.type === "swap" ? [operation.key] : [operation.key, operation.other];
      const { succeeded, responses, header } = await kv
        .txn()
        .if(compare.value(name(operation.key)).equals(operation.expected))
        .then(...both.map((key) => op.put(name(key), operation.value)))
        .else(...both.map((key) => op.range(name(key))))
        .commit();
      const values = responses.map((each) => {
        const first = each.type === "range" ? each.range.kvs[0] : undefined;
        return first === undefined ? undefined : toText(first.value);
      });
      return { values, succeeded, revision: header.revision };
    }
  }
}

function resultOf(operation: Operation, { values, succeeded, revision }: PageAnswer): Result {
  switch (operation.type) {
    case "put":
      return { type: "put" };
    case "delete":
      return { type: "delete", deleted: succeeded };
    case "get":
      return { type: "get", value: values[0] };
    case "scan":
    case "peek":
    case "past":
      return { type: "values", values, at: revision };
    case "swap":
      return { type: "swap", swapped: succeeded, value: values[0] };
    case "pair":
      return { type: "pair", swapped: succeeded, values };
  }
}

async function leading(tabs: readonly Tab[]): Promise<Tab | undefined> {
  const roles = await Promise.all(tabs.map(async (tab) => (await tab.status()).role));
  return tabs.find((_, at) => roles[at] === "leader");
}

function last(tabs: readonly Tab[]): Tab {
  const tab = tabs.at(-1);
  if (tab === undefined) throw new Error("there are no tabs");
  return tab;
}

const calm = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, CALM_MS));

test.each(["edge", "mixed"] as const)(
  "in a room of shape %s, what tabs, HTTP and gRPC are answered is one history; the edge is killed, then a tab, the leader if one leads",
  async (shape) => {
    const link = roomUrl(server, newRoom(), shape);
    const tabs: Tab[] = [];
    while (tabs.length < TABS) {
      const tab = await Tab.openLink(browser, link);
      await tab.ready();
      tabs.push(tab);
    }
    const { name, key: token } = roomTarget(link);
    const front = await Front.before(`${server.url}/c/${name}`, token);
    const client = connect({ endpoint: server.url, cluster: name, token });
    const watch = new Recorded(client);
    const history = new History();
    const prng = new Prng(7);
    const asks = [...tabs.map(askTab), askKv(front.http), askKv(front.grpc)];
    const callers = asks.map((ask, id) => new Caller(id, [ask], history, prng.fork(), PAUSE_MS));
    const running = callers.map((caller) => caller.run());

    await calm();
    await server.killWorkerd();
    await calm();
    server = await EdgeServer.start(data, [], server.port);
    await Promise.all(tabs.map((tab) => tab.ready()));
    await calm();
    const killed = (await leading(tabs)) ?? last(tabs);
    await killed.crash();
    await calm();
    await killed.reopen();
    await killed.ready();
    await calm();

    for (const caller of callers) caller.stop();
    await Promise.all(running);
    const log = await written(client);
    await watch.reaches(Math.max(...log.keys()));
    expect(judge(history, log)).toEqual([]);
    expect(judgeWatch("a client's watch", watch.seen, log)).toEqual([]);
    // Each of them was answered, and the tabs hold in the end what the edge says.
    const answered = asks.map((_, id) =>
      history.calls.some(({ operation, result }) => valueOf(operation)?.startsWith(`${id}.`) && result !== undefined),
    );
    expect(answered).toEqual(asks.map(() => true));
    const { kvs } = await client.kv.range("key", { prefix: true });
    const expected = kvs.map(({ key, value }) => [client.toText(key), client.toText(value)]);
    for (const tab of tabs) {
      for (const [key, value] of expected) expect(await tab.read(key as string)).toBe(value);
    }
    watch.close();
    await Promise.all([client.close(), front.close()]);
  },
);

function valueOf(operation: Operation): string | undefined {
  return "value" in operation ? operation.value : undefined;
}
