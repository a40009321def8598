import { describe, expect, test, vi } from "vitest";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { CallContext, Services } from "../../src/member/api/services.ts";
import { errCompacted, errPermissionDenied } from "../../src/protocol/errors.ts";
import { snapshotResponse } from "../../src/protocol/api/maintenance.ts";
import { readPaths, RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../src/protocol/api/rpc/rpc.ts";
import { jsonLines } from "../support/text-stream.ts";
import { Endpoint } from "./support/endpoint.ts";

/** As swagger files of etcd v3.7.1 list them, which know nothing of our own one. */
const ETCD_PATHS = `
  auth/authenticate auth/disable auth/enable auth/role/add auth/role/delete auth/role/get auth/role/grant auth/role/list
  auth/role/revoke auth/status auth/user/add auth/user/changepw auth/user/delete auth/user/get auth/user/grant
  auth/user/list auth/user/revoke cluster/member/add cluster/member/list cluster/member/promote cluster/member/remove
  cluster/member/update election/campaign election/leader election/observe election/proclaim election/resign
  kv/compaction kv/deleterange kv/lease/leases kv/lease/revoke kv/lease/timetolive kv/put kv/range kv/txn lease/grant
  lease/keepalive lease/leases lease/revoke lease/timetolive lock/lock lock/unlock maintenance/alarm
  maintenance/defragment maintenance/downgrade maintenance/hash maintenance/hashkv maintenance/snapshot
  maintenance/status maintenance/transfer-leadership watch`
  .trim()
  .split(/\s+/)
  .map((path) => `/v3/${path}`);

const ALL: readonly Rpc<unknown, unknown, RpcKind>[] = Object.values(RPCS).flatMap((rpcs) => Object.values(rpcs));

test("every path of etcd's gateway is in the table once, and one of our own beside them", () => {
  const paths = ALL.flatMap((rpc) => rpc.paths);
  expect(paths.toSorted()).toEqual([...ETCD_PATHS, "/quorate/v1/range-stream"].toSorted());
});

test("a path of the table takes POST only; unknown ones are etcd's 404, and Go's outside of /v3/", async () => {
  const endpoint = await Endpoint.open();
  for (const path of ETCD_PATHS) {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const { status, text } = await endpoint.call(path, { method });
      expect([path, status, text]).toEqual([path, 501, '{"code":12,"message":"Method Not Allowed"}']);
    }
  }
  for (const path of ["/v3/kv/nothing", "/v3/", "/v3/kv/range/", "/v3beta/nothing", "/v3/kv/rangestream"]) {
    const { status, text } = await endpoint.post(path, {});
    expect([path, status, text]).toEqual([path, 404, '{"code":5,"message":"Not Found"}']);
  }
  for (const path of ["/", "/nothing", "/v3alpha/kv/range"]) {
    const { status, text, headers } = await endpoint.post(path, {});
    expect([path, status, text]).toEqual([path, 404, "404 page not found\n"]);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

function served(
  snapshot: (context: CallContext) => AsyncIterable<unknown>,
  options = {},
): ReturnType<typeof gatewayApp> {
  const maintenance = { snapshot: (_request: unknown, context: CallContext) => snapshot(context) };
  return gatewayApp({ maintenance } as unknown as Services, options);
}

async function asked(app: ReturnType<typeof gatewayApp>, body = "{}"): Promise<Response> {
  return app.fetch(new Request("http://edge/v3/maintenance/snapshot", { method: "POST", body }));
}

const PART = snapshotResponse({ remainingBytes: 7 });
const LINE = { result: { remaining_bytes: "7" } };

describe("one request, many responses", () => {
  test("a request that cannot be read is refused as a unary one, one that is refused as a stream's", async () => {
    const app = served(async function* () {
      yield* [];
      throw errPermissionDenied;
    });
    const broken = await asked(app, "x");
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({ code: 3 });
    const refused = await asked(app);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toEqual({ error: { code: 7, message: errPermissionDenied.message } });
  });

  test("responses are produced when they are read, and an error after the first is the last line", async () => {
    let made = 0;
    const app = served(async function* () {
      for (; made < 2; made++) yield PART;
      throw errCompacted;
    });
    const reader = jsonLines(await asked(app));
    expect(made).toBe(0);
    expect(await reader.next()).toMatchObject(LINE);
    expect(await reader.next()).toMatchObject(LINE);
    expect(await reader.next()).toEqual({ error: { code: 11, message: errCompacted.message } });
    expect(await reader.next()).toBeUndefined();
  });

  test("a reader that leaves ends the service's loop, and its context says so to what still waits", async () => {
    let isOver = false;
    let signal: AbortSignal | undefined;
    const app = served(async function* (context) {
      signal = context.signal;
      try {
        for (;;) yield PART;
      } finally {
        isOver = true;
      }
    });
    const reader = jsonLines(await asked(app));
    await reader.next();
    await reader.cancel();
    await vi.waitFor(() => expect(isOver).toBe(true), 60_000);
    expect(signal?.aborted).toBe(true);
  });

  test("a silent response begins after a while, so that a disconnected reader is noticed", async () => {
    let isOver = false;
    const app = served(
      async function* (context) {
        await new Promise<void>((resolve) => {
          context.signal?.addEventListener("abort", () => resolve());
        });
        isOver = true;
        yield* [];
      },
      { probeAfterMs: 1 },
    );
    const reader = ((await asked(app)).body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("\n");
    await reader.cancel();
    await vi.waitFor(() => expect(isOver).toBe(true), 60_000);
  });

  test("silence is broken by empty lines, and later responses are not lost", async () => {
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const app = served(
      async function* () {
        yield PART;
        await gate;
        yield PART;
      },
      { probeAfterMs: 1 },
    );
    const response = await asked(app);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    expect(JSON.parse(await read())).toMatchObject(LINE);
    expect([await read(), await read()]).toEqual(["\n", "\n"]);
    go();
    let text = await read();
    while (text === "\n") text = await read();
    expect(JSON.parse(text)).toMatchObject(LINE);
    expect((await reader.read()).done).toBe(true);
  });
});

test("RangeStream has a path of ours, whose parts make up the range", async () => {
  const endpoint = await Endpoint.open();
  for (let at = 10; at < 40; at++) await endpoint.put(`k${at}`, "v");
  const body = JSON.stringify({ key: btoa("k"), range_end: btoa("l") });
  const response = await endpoint.cluster.settled(endpoint.fetch("/quorate/v1/range-stream", { method: "POST", body }));
  const reader = jsonLines(response);
  const parts: { range_response: { kvs?: { key: string }[]; count?: string; header?: { revision?: string } } }[] = [];
  for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
    parts.push((line as { result: (typeof parts)[number] }).result);
  }
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.flatMap(({ range_response: { kvs = [] } }) => kvs.map(({ key }) => atob(key)))).toEqual(
    Array.from({ length: 30 }, (_, at) => `k${at + 10}`),
  );
  expect(parts.at(-1)?.range_response).toMatchObject({ count: "30", header: { revision: "31" } });
});

test("a method marked as a read changes nothing: it is retried at another member", () => {
  const reads = readPaths();
  const writes = ETCD_PATHS.filter((path) => !reads.has(path));
  expect(
    writes.filter((path) => /\/(get|list|range|status|leases|timetolive|hash|hashkv|snapshot)$/.test(path)),
  ).toEqual([]);
  expect([...reads].filter((path) => /\/(put|add|grant|revoke|delete\w*|txn|campaign|lock|alarm)$/.test(path))).toEqual(
    [],
  );
});
