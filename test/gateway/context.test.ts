import { expect, test } from "vitest";
import { gatewayApp, type GatewayOptions } from "../../src/gateway/app.ts";
import { originsOf } from "../../src/gateway/origins.ts";
import type { CallContext, Services } from "../../src/member/services.ts";
import { errInvalidAuthToken, errNoLeader } from "../../src/protocol/errors.ts";
import { putResponse } from "../../src/protocol/kv.ts";

/** Services of which only put answers, as the test says. */
function putOnly(put: (context: CallContext) => void): Services {
  const kv = {
    put: (_request: unknown, context: CallContext) =>
      new Promise((resolve) => {
        put(context);
        resolve(putResponse());
      }),
  };
  return { kv } as unknown as Services;
}

async function putWith(
  headers: Record<string, string>,
  put: (context: CallContext) => void,
  options: GatewayOptions = {},
): Promise<Response> {
  const init = { method: "POST", body: '{"key":"Zm9v"}', headers };
  return gatewayApp(putOnly(put), options).fetch(new Request("http://edge/v3/kv/put", init));
}

test.each([
  [{}, { token: "", requireLeader: false }],
  [{ authorization: "secret.1" }, { token: "secret.1", requireLeader: false }],
  [{ authorization: "Bearer secret.1" }, { token: "secret.1", requireLeader: false }],
  [
    { "grpc-metadata-token": "first", authorization: "second" },
    { token: "first", requireLeader: false },
  ],
  [{ "Grpc-Metadata-hasleader": "true" }, { token: "", requireLeader: true }],
])("the headers %j are the call's metadata", async (headers, context) => {
  const seen: CallContext[] = [];

  await putWith(headers, (given) => seen.push(given));

  expect(seen).toEqual([context]);
});

test("a bad token is answered with 401 and what to authenticate for", async () => {
  const response = await putWith({}, () => {
    throw errInvalidAuthToken;
  });

  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe("etcdserver: invalid auth token");
  expect(await response.json()).toEqual({ code: 16, message: "etcdserver: invalid auth token" });
});

test("no leader is 503, so that proxies and clients try again", async () => {
  const response = await putWith({}, () => {
    throw errNoLeader;
  });

  expect([response.status, await response.json()]).toEqual([503, { code: 14, message: "etcdserver: no leader" }]);
});

test("by default every page may call, as etcd allows it", async () => {
  const response = await putWith({ origin: "https://anywhere.example" }, () => {});

  expect(response.status).toBe(200);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("access-control-allow-methods")).toBe("POST, GET, OPTIONS, PUT, DELETE");
  expect(response.headers.get("access-control-allow-headers")).toBe("accept, content-type, authorization");
});

test("with a list, a page that is not on it is refused before anything happens", async () => {
  const calls: unknown[] = [];
  const options = { allowedOrigins: ["https://app.example"] };

  const stranger = await putWith({ origin: "https://evil.example" }, (context) => calls.push(context), options);
  const listed = await putWith({ origin: "https://app.example" }, (context) => calls.push(context), options);
  const own = await putWith({ origin: "http://edge" }, (context) => calls.push(context), options);
  const noPage = await putWith({}, (context) => calls.push(context), options);

  expect([stranger.status, listed.status, own.status, noPage.status]).toEqual([403, 200, 200, 200]);
  expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example");
  expect(listed.headers.get("vary")).toBe("Origin");
  expect(calls).toHaveLength(3);
});

test("a setting of origins is read as browsers write them, and what is none is a mistake that is told", () => {
  expect(originsOf("*")).toBe("*");
  expect(originsOf("")).toEqual([]);
  expect(originsOf(" https://App.example:443/ ,http://localhost:3000")).toEqual([
    "https://app.example",
    "http://localhost:3000",
  ]);
  for (const text of ["app.example", "https://app.example/path", "null", "https://"]) {
    expect(() => originsOf(text)).toThrow(`${JSON.stringify(text)} is no origin`);
  }
});

test("CORS' question before a call is answered on every path", async () => {
  const app = gatewayApp(putOnly(() => {}));
  const init = { method: "OPTIONS", headers: { origin: "https://a.example" } };

  const response = await app.fetch(new Request("http://edge/v3/kv/put", init));

  expect(response.status).toBe(200);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
});
