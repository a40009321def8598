/** Several clusters in one worker instance, used in the same millisecond: each is alone in the world. */
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Answer, call, create, memberOf } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";

const NAMES = ["one", "two", "One", "one.x"];
const BASES = ["", ...NAMES.map((name) => `/c/${name}`)];
const RUNS = Number(process.env["CLUSTER_RUNS"] ?? 12);

type Op =
  | { readonly type: "put" | "get" | "serializable" | "delete" | "plain" | "txn"; readonly key: string }
  | { readonly type: "list" | "members" | "status" };

const key = fc.constantFrom("a", "b", "c/d", "e");
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ type: fc.constantFrom("put", "get", "serializable", "delete", "plain", "txn"), key }),
  fc.record({ type: fc.constantFrom("list", "members", "status") }),
);

/** What a cluster holds, and how often it wrote. A cluster's own operations come one after the other. */
class Model {
  readonly base: string;
  readonly values: Map<string, string> = new Map();
  revision = 0;
  clusterId = "";
  count = 0;

  constructor(base: string) {
    this.base = base;
  }

  async run(step: Op): Promise<void> {
    switch (step.type) {
      case "put":
      case "txn": {
        const value = `${this.base} ${step.type} ${this.count++}`;
        const put = { key: btoa(step.key), value: btoa(value) };
        const request = step.type === "put" ? put : { success: [{ request_put: put }] };
        const { body } = await call(this.base, `/v3/kv/${step.type}`, request);
        this.values.set(step.key, value);
        this.#wrote(body);
        return;
      }
      case "delete": {
        const { body } = await call(this.base, "/v3/kv/deleterange", { key: btoa(step.key) });
        if (this.values.delete(step.key)) this.#wrote(body);
        return;
      }
      case "get":
      case "serializable": {
        const request = { key: btoa(step.key), serializable: step.type === "serializable" };
        const { body } = await call(this.base, "/v3/kv/range", request);
        const value = body.kvs?.[0]?.value;
        if (step.type === "get") expect(value === undefined ? undefined : atob(value)).toBe(this.values.get(step.key));
        // It may be old, and is never another cluster's.
        else if (value !== undefined) expect(atob(value).startsWith(`${this.base} `)).toBe(true);
        return;
      }
      case "plain": {
        const response = await edge(`${this.base}/kv/${step.key}`);
        const text = await response.text();
        expect(response.ok ? text : undefined).toBe(this.values.get(step.key));
        return;
      }
      case "list": {
        const { body } = await call(this.base, "/v3/kv/range", { key: btoa("\0"), range_end: btoa("\0") });
        const held = (body.kvs ?? []).map(({ key: name, value }) => [atob(name), atob(value)]);
        expect(new Map(held as [string, string][])).toEqual(this.values);
        expect(Number(body.header.revision)).toBe(this.revision);
        return;
      }
      case "members": {
        const { body } = await call(this.base, "/v3/cluster/member/list", { linearizable: true });
        expect([body.message, body.members?.length]).toEqual([
          undefined,
          this.base === "" || this.base === "/c/two" ? 3 : 1,
        ]);
        expect((await edge(`${this.base}/m/3/version`)).status).toBe(body.members?.length === 3 ? 200 : 404);
        return;
      }
      case "status": {
        const { body } = await call(this.base, "/v3/maintenance/status", {});
        expect(body.header.cluster_id).toBe(this.clusterId);
        return;
      }
    }
  }

  #wrote({ header }: Answer): void {
    this.revision += 1;
    expect(Number(header.revision)).toBe(this.revision);
  }
}

const models: Model[] = BASES.map((base) => new Model(base));

test("clusters interleaved at random in one instance see their own keys, revisions and members only", async () => {
  for (const name of NAMES) await create(name, name === "two" ? 3 : 1);
  for (const model of models) {
    const { body } = await call(model.base, "/v3/maintenance/status", {});
    model.clusterId = body.header.cluster_id;
    model.revision = Number(body.header.revision);
  }
  expect(new Set(models.map(({ clusterId }) => clusterId)).size).toBe(BASES.length);

  const steps = fc.array(op, { minLength: 4, maxLength: 20 });
  const turns = fc.tuple(steps, steps, steps, steps, steps);
  await fc.assert(
    fc.asyncProperty(turns, async (all) => {
      // All clusters at once; each takes its next step when its last one is answered.
      await Promise.all(
        models.map(async (model, at) => {
          for (const step of all[at] ?? []) await model.run(step);
        }),
      );
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test("a thousand puts of two clusters that share every millisecond: each batch goes to its own", async () => {
  const bases = ["/c/one", "/c/two", ""];
  await Promise.all(
    Array.from({ length: 300 }, (_, at) =>
      Promise.all(
        bases.map((base) => call(base, "/v3/kv/put", { key: btoa(`flood/${at}`), value: btoa(`${base} flood ${at}`) })),
      ),
    ),
  );
  for (const base of bases) {
    const { body } = await call(base, "/v3/kv/range", { key: btoa("flood/"), range_end: btoa("flood0") });
    expect(body.kvs?.length).toBe(300);
    expect(body.kvs?.every(({ value }) => atob(value).startsWith(`${base} flood `))).toBe(true);
  }
});

describe("isolation", () => {
  test("users, passwords and tokens of one cluster are nobody in another", async () => {
    for (const name of ["auth-a", "auth-b"]) {
      await create(name);
      const base = `/c/${name}`;
      for (const [path, body] of [
        ["user/add", { name: "root", password: `of ${name}` }],
        ["user/grant", { user: "root", role: "root" }],
        ["enable", {}],
      ] as const) {
        expect([path, (await call(base, `/v3/auth/${path}`, body)).status]).toEqual([path, 200]);
      }
    }
    const logIn = (name: string, password: string): ReturnType<typeof call> =>
      call(`/c/${name}`, "/v3/auth/authenticate", { name: "root", password });
    expect((await logIn("auth-b", "of auth-a")).status).toBe(400);
    const { body } = await logIn("auth-a", "of auth-a");
    const token = body.token;
    const range = { key: btoa("a") };
    expect((await call("/c/auth-a", "/v3/kv/range", range, token)).status).toBe(200);
    expect((await call("/c/auth-b", "/v3/kv/range", range, token)).status).toBe(401);
    // The others have no auth at all, as before.
    expect((await call("", "/v3/kv/range", range)).status).toBe(200);
    expect((await call("/c/one", "/v3/kv/range", range)).status).toBe(200);
  });

  test("a JWT that one cluster issued is none in the others, though they share the key", async () => {
    const { jwtTokens } = await import("../../../src/member/auth/jwt-tokens.ts");
    const options = { method: "HS256", ttlMs: 60_000, privateKey: "k".repeat(32), publicKey: "", nowMs: Date.now };
    const [first, one, two] = await Promise.all(
      [undefined, "/c/one/1", "/c/two/1"].map((cluster) => jwtTokens({ ...options, cluster })),
    );
    const caller = { username: "root", revision: 3 };
    const seen = [];
    for (const issuer of [first, one, two]) {
      const token = await issuer?.issue("root", 3, "");
      for (const reader of [first, one, two]) seen.push(await reader?.callerOf(token ?? "", 3));
    }
    const none = undefined;
    expect(seen).toEqual([caller, none, none, none, caller, none, none, none, caller]);
  });

  test("leases and locks of one are unknown in another", async () => {
    const { body } = await call("/c/one", "/v3/lease/grant", { TTL: 100, ID: 77 });
    expect(body.ID).toBe("77");
    expect((await call("/c/two", "/v3/lease/timetolive", { ID: 77 })).body.TTL).toBe("-1");
    await call("/c/one", "/v3/lock/lock", { name: btoa("mutex"), lease: 77 });
    const granted = await call("/c/one.x", "/v3/lease/grant", { TTL: 100, ID: 77 });
    expect(granted.status).toBe(200);
    expect((await call("/c/one.x", "/v3/lock/lock", { name: btoa("mutex"), lease: 77 })).status).toBe(200);
  });

  test("rooms of one name in two clusters are two rooms", async () => {
    const claim = JSON.stringify({ member: "1", cluster: "2", open: true });
    const found = await edge("/c/one/peerjs/room/r/found", { method: "POST", body: claim });
    expect(found.status).toBe(200);
    const infos = await Promise.all(
      BASES.map(async (base) => (await edge(`${base}/peerjs/room/r/room`)).json<{ cluster: string | null }>()),
    );
    expect(infos.map(({ cluster }) => cluster)).toEqual([null, "2", null, null, null]);
  });

  test("callers who fill one cluster's share of unfinished bodies leave the others theirs", async () => {
    const { UnfinishedBodies } = await import("../../../worker/calls/unfinished-bodies.ts");
    const { limitsOf } = await import("../../../src/member/options.ts");
    const { unfinishedBytes: total } = limitsOf();
    const [attacked, other] = [new UnfinishedBodies(), new UnfinishedBodies()];
    const shares = ["1.1.1.1", "2.2.2.2", "3.3.3.3"].map((address) => attacked.of(address)());
    for (const share of shares) while (share.grow(64 * 1024));
    const mine = other.of("4.4.4.4")();
    expect(mine.grow(total / 4)).toBe(true);
    // And all of them together cannot fill the isolate's memory.
    expect(
      other
        .of("5.5.5.5")()
        .grow(total / 2),
    ).toBe(false);
    for (const share of [...shares, mine]) share.release();
  });

  test("each cluster's member has its own object, and the first cluster's have the names that they always had", async () => {
    const one = await create("named");
    await call("/c/named", "/v3/kv/put", { key: btoa("x"), value: btoa("y") });
    const name = await runInDurableObject(memberOf(one, 1), (_object, state) => state.id.name);
    expect(name).toBe(`/c/named/${one.id}/1///1`);
  });
});
