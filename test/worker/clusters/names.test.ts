/** Which addresses are a cluster's, and what is said of those that are none. */
import { describe, expect, test } from "vitest";
import { call, create, manage } from "../support/clusters-kit.ts";
import { edge, put } from "../support/edge-kit.ts";

const LONG = "x".repeat(63);

describe("a name that is none", () => {
  test.each([
    "",
    "-a",
    ".a",
    "_a",
    `${LONG}x`,
    "a%62",
    "%61",
    "a%2Fb",
    "a%00",
    "a%20b",
    "a;b",
    "a@b",
    "a:b",
    "ä",
    "%2e%2e%2f",
    "a%5Cb",
    "*",
    "~a",
    "a+b",
  ])("%j is refused with 400, on every path", async (name) => {
    for (const rest of ["/v3/kv/range", "/kv/a", "/health", "/", "", "/m/1/v3/kv/range"]) {
      const response = await edge(`/c/${name}${rest}`, { method: "POST", body: "{}" });
      // "/c//v3" has an empty name, and so has "/c/".
      expect([rest, response.status]).toEqual([rest, 400]);
      expect(await response.json()).toMatchObject({ code: 3, message: /cannot be a cluster's name/ });
    }
    expect((await manage("create", { name })).status).toBe(400);
  });

  test.each(["../v3/kv/range", "x/../../v3/kv/range", "%2e%2e/v3/kv/range", "x/..%5c..\\v3/kv/range"])(
    "/c/%s is judged by what a browser makes of it, and leads into no cluster",
    async (rest) => {
      await put("first", "1");
      const response = await edge(`/c/${rest}`, { method: "POST", body: JSON.stringify({ key: btoa("first") }) });
      const path = new URL(`http://edge/c/${rest}`).pathname;
      if (path.startsWith("/c/")) expect(response.status).toBeGreaterThanOrEqual(400);
      else expect(await response.json()).toMatchObject({ count: "1" });
    },
  );
});

test("an unknown cluster is 404 on every path, and the text says how to create it", async () => {
  for (const path of [
    "/v3/kv/range",
    "/kv/a",
    "/health",
    "/metrics",
    "/",
    "/m/1/health",
    "/peerjs/id",
    "/quorate.js",
  ]) {
    const response = await edge(`/c/nobody${path}`);
    expect([path, response.status]).toEqual([path, 404]);
    expect(await response.json()).toMatchObject({ message: /npx quorate cluster create nobody/ });
  }
});

test("names with capitals, dots and the greatest length are clusters of their own", async () => {
  for (const name of [LONG, "A", "a", "a.b", "a-b_c.9", "v3", "c", "m", "kv", "constructor", "__proto__".slice(2)]) {
    await create(name);
    await call(`/c/${name}`, "/v3/kv/put", { key: btoa("who"), value: btoa(name) });
  }
  expect(await (await edge("/c/A/kv/who")).text()).toBe("A");
  expect(await (await edge("/c/a/kv/who")).text()).toBe("a");
  expect(await (await edge("/c/c/kv/who")).text()).toBe("c");
  // A cluster has no clusters within it.
  expect((await edge("/c/c/c/a/kv/who")).status).toBe(404);
  expect((await edge("/c/c/quorate/clusters/list", { method: "POST", body: "{}" })).status).toBe(404);
});

test("the first cluster's name leads to the root's cluster", async () => {
  await put("root", "it");
  expect(await (await edge("/c/quorate/kv/root")).text()).toBe("it");
  expect((await manage("create", { name: "quorate" })).status).toBe(409);
});

test("/c/NAME without its slash is sent to it, and a member's redirect stays within the cluster", async () => {
  const bare = await edge("/c/a?x=1", { redirect: "manual" });
  expect([bare.status, bare.headers.get("location")]).toEqual([308, "/c/a/?x=1"]);
  const moved = await edge("/c/a//v3/kv/range?a=b", { redirect: "manual" });
  expect([moved.status, moved.headers.get("location")]).toEqual([307, "/c/a/v3/kv/range?a=b"]);
});

test.each([
  [{ name: "s2", size: 2 }, 400],
  [{ name: "s0", size: 0 }, 400],
  [{ name: "s3", size: "3; DROP" }, 400],
  [{ name: "s4", size: [3] }, 400],
  [{ name: "l1", size: 1, locations: "weur,enam" }, 400],
  [{ name: "l2", size: 3, locations: "mars" }, 400],
  [{ name: "l3", size: 3, locations: "weur/enam" }, 400],
  [{ name: "j1", size: 1, jurisdiction: "moon" }, 400],
  // Not to be had on this machine.
  [{ name: "j2", size: 1, jurisdiction: "eu" }, 400],
  [{ name: "l4", size: 3, locations: "weur,enam,apac" }, 200],
  [{ name: "l4", size: 3 }, 409],
  [{}, 400],
  [{ name: ["a"] }, 400],
])("create %j responds with %i", async (body, status) => {
  expect((await manage("create", body)).status).toBe(status);
});

test("pages may not manage clusters, and neither does a GET or a body that is none", async () => {
  const headers = { origin: "http://edge", "content-length": "2" };
  expect((await edge("/quorate/clusters/list", { method: "POST", body: "{}", headers })).status).toBe(403);
  expect((await edge("/quorate/clusters/list")).status).toBe(405);
  expect((await edge("/quorate/clusters/drop", { method: "POST", body: "{}" })).status).toBe(404);
  const long = "x".repeat(5000);
  expect((await manage("create", { name: long })).status).toBe(400);
});
