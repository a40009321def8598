import { describe, expect, test } from "vitest";
import { Entrance } from "../../worker/common/entrance.ts";
import { rightOf } from "../../worker/common/routes.ts";

const TOKEN = "a setup token of tests";

function asked(path: string, token?: string, method = "POST"): Request {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Request(`http://edge${path}`, { method, headers });
}

function statusOf(entrance: Entrance, request: Request, isAuthEnabled = false): number {
  return entrance.refusal(request, isAuthEnabled)?.status ?? 200;
}

describe("while auth is not enabled", () => {
  const CALLERS = ["/v3/kv/put", "/v3beta/kv/put", "/kv/a", "/kv", "/metrics", "/version", "/quorate/status"];
  const STREAMS = ["/v3/watch", "/quorate/v1/carrier", "//v3/kv/put", "/v3/no/such", "/nothing", "/"];

  test.each([...CALLERS, ...STREAMS])("%s requires the setup token", (path) => {
    const entrance = new Entrance({ SETUP_TOKEN: TOKEN });

    expect(statusOf(entrance, asked(path))).toBe(401);
    expect(statusOf(entrance, asked(path, `${TOKEN}.`))).toBe(401);
    expect(statusOf(entrance, asked(path, TOKEN))).toBe(200);
    expect(statusOf(entrance, asked(path), true)).toBe(200);
  });

  test.each(["/health", "/livez", "/readyz", "/livez/ping", "/readyz/serializable_read"])("%s is public", (path) => {
    expect(statusOf(new Entrance({}), asked(path, undefined, "GET"))).toBe(200);
  });

  test("a browser's question before a request of another origin needs no token", () => {
    expect(statusOf(new Entrance({}), asked("/v3/kv/put", undefined, "OPTIONS"))).toBe(200);
  });

  test("a WebSocket shows the token as its subprotocol", () => {
    const request = new Request("http://edge/v3/watch", { headers: { "sec-websocket-protocol": `Bearer, ${TOKEN}` } });

    expect(statusOf(new Entrance({ SETUP_TOKEN: TOKEN }), request)).toBe(200);
  });
});

test.each([undefined, "", "false", "1", "TRUE", " true"])("OPEN=%j opens nothing", (OPEN) => {
  expect(statusOf(new Entrance({ OPEN }), asked("/v3/kv/put"))).toBe(401);
});

test("OPEN admits all callers", () => {
  expect(statusOf(new Entrance({ OPEN: "true" }), asked("/v3/kv/put"))).toBe(200);
});

test.each([undefined, "", "short", "fifteen letters"])(
  "the setup token %j is not valid, and the response says what to do",
  (SETUP_TOKEN) => {
    const entrance = new Entrance({ SETUP_TOKEN });

    expect(() => entrance.admit({ token: SETUP_TOKEN ?? "", requireLeader: false })).toThrow(
      "wrangler secret put SETUP_TOKEN",
    );
  },
);

test("after ten wrong tokens within a minute an address is not listened to, and others are", () => {
  let nowMs = 0;
  const entrance = new Entrance({ SETUP_TOKEN: TOKEN }, () => nowMs);
  const tries = (token: string, address: string): string => {
    try {
      entrance.admit({ token, requireLeader: false, address });
      return "in";
    } catch (error) {
      return (error as Error).message.split(".")[0] ?? "";
    }
  };
  // No token is no try.
  for (let at = 0; at < 30; at++) tries("", "1.1.1.1");
  for (let at = 0; at < 10; at++) expect(tries(`wrong ${at}`, "1.1.1.1")).toContain("is not its setup token");
  expect(tries(TOKEN, "1.1.1.1")).toContain("too many wrong setup tokens");
  expect(tries(TOKEN, "2.2.2.2")).toBe("in");
  nowMs = 59_999;
  expect(tries(TOKEN, "1.1.1.1")).toContain("too many");
  nowMs = 60_000;
  expect(tries(TOKEN, "1.1.1.1")).toBe("in");
});

test("an address that has shown the right token is not held back by wrong ones from there", () => {
  const entrance = new Entrance({ SETUP_TOKEN: TOKEN }, () => 0);
  const admit = (token: string, address: string): void => entrance.admit({ token, requireLeader: false, address });
  admit(TOKEN, "owner");
  for (const address of ["owner", "other"]) {
    for (let at = 0; at < 20; at++) expect(() => admit("wrong", address)).toThrow("setup token");
  }
  admit(TOKEN, "owner");
  expect(() => admit(TOKEN, "other")).toThrow("too many wrong setup tokens");
});

test("however many addresses try, few are remembered, and the latest are", () => {
  const entrance = new Entrance({ SETUP_TOKEN: TOKEN }, () => 0);
  const wrong = (address: string): void => {
    expect(() => entrance.admit({ token: "wrong", requireLeader: false, address })).toThrow("not its setup token");
  };
  for (let at = 0; at < 10; at++) wrong("first");
  for (let at = 0; at < 1_000; at++) wrong(`other ${at}`);
  for (let at = 0; at < 10; at++) wrong("last");
  expect(() => entrance.admit({ token: TOKEN, requireLeader: false, address: "last" })).toThrow("too many");
  entrance.admit({ token: TOKEN, requireLeader: false, address: "first" });
});

test("a restore is its owner's, and so is what no row of the table names", () => {
  expect(rightOf("/quorate/restore/begin")).toBe("owner");
  expect(rightOf("/raft")).toBe("owner");
});
