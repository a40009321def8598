/** Quorate inside a worker that does other things too: its options, its prefix, its hook. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { QuorateOptions } from "../../../worker/options.ts";
import { quorate } from "../../../worker/quorate.ts";
import { put, type RangeAnswer } from "../support/edge-kit.ts";
import { OTHER, other, SETUP_TOKEN } from "../support/other-cluster.ts";

const PUT = JSON.stringify({ key: btoa("colour"), value: btoa("blue") });
const OWNER = { authorization: `Bearer ${SETUP_TOKEN}` };
const GET = JSON.stringify({ key: btoa("colour") });

async function ask(
  options: QuorateOptions,
  path: string,
  init: RequestInit = {},
  changes: object = {},
): Promise<Response> {
  const { fetch } = quorate(options);
  return fetch(new Request(`http://edge${path}`, init), { ...env, ...changes }, createExecutionContext());
}

const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({ method: "POST", body, headers });

describe("options", () => {
  test.each([
    [{ cluster: "a/b" }, /cluster is a name/],
    [{ cluster: "" }, /cluster is a name/],
    [{ cluster: 7 }, /cluster is a name/],
    [{ prefix: "quorate" }, /prefix begins and ends with a slash/],
    [{ prefix: "/quorate" }, /prefix begins and ends with a slash/],
    [{ prefix: "/a/../" }, /prefix begins and ends with a slash/],
    [{ prefix: "/%61/" }, /prefix begins and ends with a slash/],
    [{ members: 2 }, /members is 1, 3 or 5/],
    [{ members: "3" }, /members is 1, 3 or 5/],
    [{ locations: ["mars"] }, /"mars" is no location/],
    [{ locations: "weur" }, /locations is a list/],
    [{ members: 1, locations: ["weur", "enam"] }, /2 locations for 1 members/],
    [{ authorize: true }, /authorize is a function/],
    [{ bindings: { member: "M" } }, /there is no binding member/],
    [{ clusters: "a b" }, /CLUSTERS has names/],
    [{ clusters: ["a"] }, /clusters is a list of names, as one text/],
    [{ cluster_: "a" }, /there is no option cluster_/],
  ])("%j is refused when the worker starts", (options, message) => {
    expect(() => quorate(options as unknown as QuorateOptions)).toThrow(message);
  });

  test.each([
    [{ bindings: { members: "NOWHERE" } }, {}],
    [{}, { CLUSTER_NAME: undefined }],
    // As another cluster's key: their objects would be the same.
    [{}, { CLUSTER_NAME: `/c/acme/${"0".repeat(32)}/1//` }],
    [{ locations: ["weur", "enam", "apac", "oc"] }, {}],
  ] as const)("what only the environment can tell is an error of every request: %j %j", async (options, changes) => {
    const response = await ask(options, "/health", {}, changes);

    expect([response.status, await response.json()]).toEqual([500, { code: 13, message: "internal error" }]);
  });
});

describe("prefix", () => {
  const options = { prefix: "/app/quorate/" };

  test("everything is below it, and nothing beside it", async () => {
    expect((await ask(options, "/app/quorate/v3/kv/put", post(PUT))).status).toBe(200);
    expect(await (await ask(options, "/app/quorate/kv/colour")).text()).toBe("blue");
    expect(await (await ask(options, "/app/quorate/m/2/kv/colour")).text()).toBe("blue");
    expect((await ask(options, "/app/quorate/peerjs/peerjs/id")).status).not.toBe(404);
    for (const path of ["/v3/kv/range", "/kv/colour", "/app/kv/colour", "/app/quoratekv/colour", "/app/quorate"]) {
      expect([path, (await ask(options, path, post(GET))).status]).toEqual([path, 404]);
    }
  });

  test("an address that leaves it is outside, however it is written", async () => {
    for (const path of ["/app/quorate/../kv/colour", "/app/quorate/%2e%2e/kv/colour", "/app/quorate/..\\kv\\colour"]) {
      expect([path, (await ask(options, path)).status]).toEqual([path, 404]);
    }
    expect((await ask(options, "/elsewhere/../app/quorate/kv/colour")).status).toBe(200);
  });

  test("a member that sends a request elsewhere sends it below the prefix", async () => {
    const response = await ask(options, "/app/quorate//v3/kv/range?a=b", { redirect: "manual" });

    expect([response.status, response.headers.get("location"), await response.text()]).toEqual([
      307,
      "/app/quorate/v3/kv/range?a=b",
      "",
    ]);
  });

  test("other clusters are below it too, where a registry is bound and `clusters` allows the name", async () => {
    const body = JSON.stringify({ name: "team-1", size: 1 });
    const headers = { "content-length": String(body.length) };
    const own = { ...options, clusters: "team-*" };
    expect((await ask(own, "/app/quorate/quorate/clusters/create", post(body, headers))).status).toBe(200);
    expect((await ask(own, "/app/quorate/c/team-1/v3/kv/put", post(PUT))).status).toBe(200);
    expect(await (await ask(own, "/app/quorate/c/team-1/kv/colour")).text()).toBe("blue");
    const moved = await ask(own, "/app/quorate/c/team-1//v3/kv/range", { redirect: "manual" });
    expect(moved.headers.get("location")).toBe("/app/quorate/c/team-1/v3/kv/range");
    const bare = await ask(own, "/app/quorate/c/team-1", { redirect: "manual" });
    expect(bare.headers.get("location")).toBe("/app/quorate/c/team-1/");

    expect((await ask({ ...own, clusters: "" }, "/app/quorate/c/team-1/kv/colour")).status).toBe(404);
    const unbound = await ask(own, "/app/quorate/c/team-1/kv/colour", {}, { CLUSTER_REGISTRY: undefined });
    expect([unbound.status, await unbound.json()]).toMatchObject([404, { message: /this worker has one only/ }]);
    const client = quorate(own).client(env, { cluster: "team-1" });
    expect((await client.kv.range("colour")).count).toBe(1);
    void client.close();
    await expect(quorate(own).client(env, { cluster: "team-2" }).kv.range("colour")).rejects.toThrow(
      "there is no cluster",
    );
  });

  test("without assets there is no page", async () => {
    expect((await ask(options, "/app/quorate/")).status).toBe(404);
  });
});

describe("authorize", () => {
  test("what it denies reaches nobody, preflights included, and it cannot be talked past", async () => {
    const seen: string[] = [];
    const options: QuorateOptions = {
      prefix: "/q/",
      authorize(request, { path }) {
        seen.push(`${request.method} ${path}`);
        return false;
      },
    };
    const denied = [
      await ask(options, "/q/v3/kv/range", post(GET)),
      await ask(options, "/q/x/%2e%2e/health"),
      await ask(options, "/q/v3/kv/put", { method: "OPTIONS", headers: { origin: "http://edge" } }),
      await ask(options, "/q/"),
    ];

    expect(denied.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect(denied.map(({ headers }) => headers.get("x-content-type-options"))).toEqual(Array(4).fill("nosniff"));
    expect(seen).toEqual(["POST /v3/kv/range", "GET /health", "OPTIONS /v3/kv/put", "GET /"]);
  });

  test("its own response is sent, pages that may call can read it, and a failure lets nobody in", async () => {
    const own = await ask(
      { authorize: async () => Response.json({ who: "you?" }, { status: 401 }) },
      "/v3/kv/range",
      post(GET, { origin: "http://edge" }),
    );
    expect([own.status, own.headers.get("access-control-allow-origin"), await own.json()]).toEqual([
      401,
      "http://edge",
      { who: "you?" },
    ]);
    const failed = await ask({ authorize: () => Promise.reject(new Error("secret")) }, "/v3/kv/range", post(GET));
    expect([failed.status, await failed.text()]).toEqual([500, '{"code":13,"message":"internal error"}']);
    const odd = await ask({ authorize: (() => "yes") as unknown as () => boolean }, "/v3/kv/range", post(GET));
    expect(odd.status).toBe(403);
  });

  test("what it lets go on still has its body, and still needs what a closed endpoint asks for", async () => {
    const authorize = async (request: Request): Promise<boolean> => (await request.text()) === "";
    expect((await ask({ authorize }, "/v3/kv/put", post(PUT))).status).toBe(200);

    const closed = { ...OTHER, authorize: () => true };
    expect((await ask(closed, "/other/kv/colour")).status).toBe(401);
    expect((await ask(closed, "/other/peerjs/peerjs/id", {}, { OPEN: "false" })).status).toBe(401);
    expect((await ask(closed, "/other/kv/colour", { headers: OWNER })).status).toBe(404);
  });
});

test("location hints are given when a member's object is first asked for, the first member's first", async () => {
  const { MEMBERS } = env as unknown as { readonly MEMBERS: DurableObjectNamespace };
  const received: unknown[] = [];
  const recording = {
    idFromName: (name: string) => MEMBERS.idFromName(name),
    get(id: DurableObjectId, options: unknown) {
      received.push([id.name, options]);
      return MEMBERS.get(id);
    },
  };
  const options: QuorateOptions = { locations: ["weur", "apac-ne"] };
  for (const member of [1, 2, 3]) {
    await (await ask(options, `/m/${member}/health`, {}, { MEMBERS: recording })).text();
  }

  expect(received).toEqual([
    ["quorate/1", { locationHint: "weur" }],
    ["quorate/2", { locationHint: "apac-ne" }],
    ["quorate/3", undefined],
  ]);
});

test("two clusters in one worker have nothing in common", async () => {
  const ctx = createExecutionContext();
  const inOther = (path: string, init: RequestInit = {}): Promise<Response> =>
    other.fetch(new Request(`http://edge/other${path}`, { ...init, headers: OWNER }), env, ctx);
  await put("colour", "blue");

  const [none, first] = await Promise.all([inOther("/kv/colour"), ask({}, "/kv/colour")]);
  expect([none.status, await first.text()]).toEqual([404, "blue"]);

  await inOther("/kv/colour", { method: "PUT", body: "red" });
  const values = await Promise.all([ask({}, "/kv/colour"), inOther("/kv/colour"), ask({}, "/kv/colour")]);
  expect(await Promise.all(values.map((each) => each.text()))).toEqual(["blue", "red", "blue"]);

  const status: { readonly members: readonly unknown[] } = await (await inOther("/quorate/status")).json();
  expect(status.members.length).toBe(1);
});

test("calls of two clusters that wait at the same time are answered by their own", async () => {
  const ctx = createExecutionContext();
  const first = quorate({});
  const range = (to: typeof first, path: string): Promise<Response> => {
    const headers = { ...OWNER, "content-length": String(GET.length) };
    return to.fetch(new Request(`http://edge${path}/v3/kv/range`, post(GET, headers)), env, ctx);
  };
  await put("colour", "blue");
  await other.fetch(
    new Request("http://edge/other/kv/colour", { method: "PUT", body: "red", headers: OWNER }),
    env,
    ctx,
  );

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? range(first, "") : range(other, "/other"))),
  );
  const values = await Promise.all(answers.map(async (each) => (await each.json<RangeAnswer>()).kvs?.[0]?.value));
  expect(values).toEqual(Array.from({ length: 40 }, (_, at) => btoa(at % 2 === 0 ? "blue" : "red")));
});
