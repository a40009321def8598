import { expect, test } from "vitest";
import { gatewayApp, type GatewayOptions } from "../../../src/gateway/app.ts";
import { LOOPBACK_ORIGINS, originPolicy, originsOf } from "../../../src/gateway/http/origins.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { errInvalidAuthToken, errNoLeader } from "../../../src/protocol/errors.ts";
import { putResponse } from "../../../src/protocol/api/kv.ts";

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

test("a bad token gets 401 and a challenge", async () => {
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

test("a setting of origins is parsed into the form that browsers send, and anything else throws", () => {
  expect(originsOf("*")).toBe("*");
  expect(originsOf("")).toEqual([]);
  expect(originsOf(" https://App.example:443/ ,http://localhost:3000")).toEqual([
    "https://app.example",
    "http://localhost:3000",
  ]);
  for (const text of [
    "app.example",
    "https://app.example/path",
    "null",
    "https://",
    "https://user@app.example",
    "https://app.example:1:*",
    "https://*",
    "file:///x",
  ]) {
    expect(() => originsOf(text)).toThrow(`${JSON.stringify(text)} is no origin`);
  }
});

test("an origin with any port admits every port of that scheme and host, and nothing else", () => {
  const policy = originPolicy(originsOf("http://localhost:*, https://app.example"));
  const statusFor = (origin: string): number | undefined =>
    policy.refusal(new Request("http://edge/v3/kv/put", { headers: { origin } }))?.status;

  for (const origin of ["http://localhost", "http://localhost:3000", "https://app.example", "http://edge"]) {
    expect([origin, statusFor(origin)]).toEqual([origin, undefined]);
  }
  for (const origin of [
    "https://localhost:3000",
    "http://localhost.evil.example",
    "http://localhost:3000.evil.example",
    "http://evil.example:3000",
    "http://127.0.0.1:3000",
    "http://localhost:3000/",
    "http://evil@localhost:3000",
    "http://localhost:*",
    "https://app.example:444",
    "null",
    "",
  ]) {
    expect([origin, statusFor(origin)]).toEqual([origin, 403]);
  }
});

test("the setting for the pages of this machine names every loopback host, with and without TLS", () => {
  const policy = originPolicy(originsOf(LOOPBACK_ORIGINS));

  for (const scheme of ["http", "https"]) {
    for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
      const headers = { origin: `${scheme}://${host}:5173` };
      expect(policy.refusal(new Request("http://edge/kv/a", { headers }))).toBeUndefined();
    }
  }
  expect(policy.refusal(new Request("http://edge/kv/a", { headers: { origin: "http://evil.example" } }))?.status).toBe(
    403,
  );
});

test.each<[what: string, headers: Record<string, string>, data: number | undefined, files: number | undefined]>([
  ["no browser", {}, undefined, undefined],
  ["an element of the own page", { site: "same-origin", mode: "no-cors", dest: "image" }, undefined, undefined],
  ["an address that somebody types", { site: "none", mode: "navigate", dest: "document" }, undefined, undefined],
  ["a link of another site", { site: "cross-site", mode: "navigate", dest: "document" }, undefined, undefined],
  ["an image of another site", { site: "cross-site", mode: "no-cors", dest: "image" }, 403, undefined],
  ["a script of another port", { site: "same-site", mode: "no-cors", dest: "script" }, 403, undefined],
  ["a frame of another site", { site: "cross-site", mode: "navigate", dest: "iframe" }, 403, undefined],
  ["an object of another site", { site: "cross-site", mode: "navigate", dest: "object" }, 403, undefined],
  ["a site nobody knows", { site: "new-kind", mode: "no-cors", dest: "image" }, 403, undefined],
])("with a list, a GET without an origin is judged by what the browser says of it: %s", (_what, said, data, files) => {
  const policy = originPolicy([]);
  const headers = Object.fromEntries(Object.entries(said).map(([name, value]) => [`sec-fetch-${name}`, value]));
  const request = new Request("http://edge/kv/a", { headers });

  expect([policy.refusal(request)?.status, policy.refusal(request, "files")?.status]).toEqual([data, files]);
  expect(originPolicy("*").refusal(request)).toBeUndefined();
});

test("the gateway itself refuses an element of another site, on routes that exist and on others", async () => {
  const app = gatewayApp(
    putOnly(() => {}),
    { allowedOrigins: [] },
  );
  const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };

  for (const path of ["/health", "/kv/a", "/nothing"]) {
    expect((await app.fetch(new Request(`http://edge${path}`, { headers }))).status).toBe(403);
  }
});

test("a CORS preflight is admitted on every path", async () => {
  const app = gatewayApp(putOnly(() => {}));
  const init = { method: "OPTIONS", headers: { origin: "https://a.example" } };

  const response = await app.fetch(new Request("http://edge/v3/kv/put", init));

  expect(response.status).toBe(200);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
});
