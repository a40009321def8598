import { afterEach, describe, expect, test } from "vitest";
import type { ClientServices } from "../../../src/client/common/client-services.ts";
import { httpClientServices } from "../../../src/client/http/http-client-services.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import type { HttpServicesOptions } from "../../../src/client/http/http-transport.ts";
import type { BackoffTimer } from "../../../src/client/common/backoff.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { answerJson, startStub } from "../support/stub-server.ts";
import type { StubServer } from "../support/stub-server.ts";

const CALL: CallContext = { token: "", requireLeader: false };
const KEY = new Uint8Array([1]);
const UNAVAILABLE = { code: 14, message: "etcdserver: leader changed" };

let stub: StubServer | undefined;
afterEach(() => stub?.close());

/** Does not wait, and remembers how long it should have. */
class Pauses implements BackoffTimer {
  readonly pauses: number[] = [];
  readonly random = (): number => 1;
  readonly sleep = async (milliseconds: number): Promise<void> => void this.pauses.push(milliseconds);
}

async function servicesTo(
  answer: Parameters<typeof startStub>[0],
  options: Partial<HttpServicesOptions> = {},
): Promise<{ readonly services: Services; readonly backoff: Pauses; readonly stub: StubServer }> {
  stub = await startStub(answer);
  const backoff = new Pauses();
  return { services: httpServices({ endpoint: stub.endpoint, backoff, ...options }), backoff, stub };
}

async function kvTo(
  open: (options: HttpServicesOptions) => Pick<ClientServices, "kv">,
  answer: Parameters<typeof startStub>[0],
  options: Partial<HttpServicesOptions> = {},
): Promise<{ readonly services: Pick<ClientServices, "kv">; readonly backoff: Pauses; readonly stub: StubServer }> {
  stub = await startStub(answer);
  const backoff = new Pauses();
  return { services: open({ endpoint: stub.endpoint, backoff, ...options }), backoff, stub };
}

/** Single gets and puts have two ways: with the tables of messages, and without them. */
const WAYS = [
  ["by tables", httpServices],
  ["as connect() makes them", httpClientServices],
] as const;

describe.each(WAYS)("trying again, calls %s", (_way, open) => {
  test("a read is repeated while the server says unavailable, with growing pauses", async () => {
    const {
      services,
      backoff,
      stub: server,
    } = await kvTo(open, (_, response, attempt) =>
      attempt < 4 ? answerJson(response, 503, UNAVAILABLE) : answerJson(response, 200, { count: "7" }),
    );
    expect(await services.kv.range(rangeRequest({ key: KEY }), CALL)).toMatchObject({ count: 7 });
    expect(server.requests).toHaveLength(4);
    expect(backoff.pauses).toEqual([25, 50, 100]);
  });

  test("a read gives up after the fourth repetition, with the server's own error", async () => {
    const { services, stub: server } = await kvTo(open, (_, response) => answerJson(response, 503, UNAVAILABLE));
    await expect(services.kv.range(rangeRequest({ key: KEY }), CALL)).rejects.toMatchObject(UNAVAILABLE);
    expect(server.requests).toHaveLength(5);
  });

  test("a read that is refused for another reason is not repeated", async () => {
    const refusal = { code: 3, message: "etcdserver: key is not provided" };
    const { services, stub: server } = await kvTo(open, (_, response) => answerJson(response, 400, refusal));
    await expect(services.kv.range(rangeRequest(), CALL)).rejects.toMatchObject(refusal);
    expect(server.requests).toHaveLength(1);
  });

  test("a write is never repeated when the server may have done it: neither on unavailable nor on a lost connection", async () => {
    const { services, stub: server } = await kvTo(open, (_, response, attempt) =>
      attempt === 1 ? answerJson(response, 503, UNAVAILABLE) : response.destroy(),
    );
    await expect(services.kv.put(putRequest({ key: KEY }), CALL)).rejects.toMatchObject(UNAVAILABLE);
    const lost = services.kv.txn({ compare: [], success: [], failure: [] }, CALL);
    await expect(lost).rejects.toMatchObject({ code: GrpcCode.Unavailable });
    expect(server.requests).toEqual(["POST /v3/kv/put", "POST /v3/kv/txn"]);
  });

  test("a write is retried when the connection failed, because the server cannot have received it", async () => {
    let attempts = 0;
    const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const { services } = await kvTo(open, (_, response) => answerJson(response, 200, {}), {
      fetch: (input, init) => {
        attempts++;
        return attempts === 1 ? Promise.reject(new TypeError("fetch failed", { cause: refused })) : fetch(input, init);
      },
    });
    await services.kv.put(putRequest({ key: KEY }), CALL);
    expect(attempts).toBe(2);
  });
});

describe("failures", () => {
  test("a server that is not there gives Unavailable, with the endpoint and the reason", async () => {
    const { stub: server } = await servicesTo(() => {});
    await server.close();
    const services = httpServices({ endpoint: server.endpoint, backoff: new Pauses() });
    await expect(services.kv.range(rangeRequest({ key: KEY }), CALL)).rejects.toMatchObject({
      code: GrpcCode.Unavailable,
      message: expect.stringMatching(
        new RegExp(`^no connection to ${server.endpoint}: connect ECONNREFUSED`),
      ) as string,
    });
  });

  test("a server that does not respond causes DeadlineExceeded, with the endpoint and the time", async () => {
    const { services, stub: server } = await servicesTo(() => {}, { timeoutMs: 30 });
    await expect(services.kv.put(putRequest({ key: KEY }), CALL)).rejects.toMatchObject({
      code: GrpcCode.DeadlineExceeded,
      message: `no answer from ${server.endpoint} within 30 ms`,
    });
  });

  test.each([
    ["another server's page", 200, "<html>hello", GrpcCode.Internal],
    ["JSON that is not the message", 200, '{"count":{}}', GrpcCode.Internal],
    ["JSON that is no object", 200, "[]", GrpcCode.Internal],
    ["bytes that are not base64", 200, '{"kvs":[{"key":"*"}]}', GrpcCode.Internal],
    ["nothing", 200, "", GrpcCode.Internal],
    ["a proxy's bad gateway", 502, "<html>bad gateway", GrpcCode.Unavailable],
    ["a page that is not there", 404, "404 page not found", GrpcCode.NotFound],
    ["an old etcd's error", 400, '{"error":"etcdserver: x","code":3}', GrpcCode.InvalidArgument],
    ["a stream's error", 400, '{"error":{"code":11,"message":"gone"}}', GrpcCode.OutOfRange],
  ])("%s becomes an EtcdError with a fitting code", async (_, status, body, code) => {
    const { services } = await servicesTo((__, response) => answerJson(response, status, body), { retries: 0 });
    await expect(services.kv.range(rangeRequest({ key: KEY }), CALL)).rejects.toMatchObject({
      name: "EtcdError",
      code,
    });
  });

  test.each(["localhost:8787", "ftp://host", ""])("the endpoint %j is refused at once", (endpoint) => {
    expect(() => httpServices({ endpoint })).toThrow("an endpoint is a URL such as http://localhost:8787");
  });
});

test("a call sends its token, or else the client's, and whether it wants a leader", async () => {
  const seen: unknown[] = [];
  const { services } = await servicesTo(
    ({ headers }, response) => {
      seen.push([headers.authorization, headers["grpc-metadata-hasleader"]]);
      answerJson(response, 200, {});
    },
    { token: "mine" },
  );
  await services.kv.range(rangeRequest({ key: KEY }), CALL);
  await services.kv.range(rangeRequest({ key: KEY }), { token: "theirs", requireLeader: true });
  expect(seen).toEqual([
    ["mine", undefined],
    ["theirs", "true"],
  ]);
});

test("an endpoint may have a path and a slash at its end", async () => {
  const { stub: server } = await servicesTo((_, response) => answerJson(response, 200, {}));
  await httpServices({ endpoint: `${server.endpoint}/m/2/` }).kv.range(rangeRequest({ key: KEY }), CALL);
  expect(server.requests).toEqual(["POST /m/2/v3/kv/range"]);
});

describe("health", () => {
  const asked = { serializable: true, exclude: ["NOSPACE"] };

  test("a healthy server reports no reason", async () => {
    const { services, stub: server } = await servicesTo((_, response) => answerJson(response, 200, { health: "true" }));
    expect(await services.health.check(asked)).toBeUndefined();
    expect(server.requests).toEqual(["GET /health?exclude=NOSPACE&serializable=true"]);
  });

  test("an unhealthy server's reason is a result, not an error", async () => {
    const { services } = await servicesTo((_, response) =>
      answerJson(response, 503, { health: "false", reason: "RAFT NO LEADER" }),
    );
    expect(await services.health.check(asked)).toBe("RAFT NO LEADER");
  });
});

test("a watch that Node ends because nothing came for minutes breaks off as idle, which a watcher resumes", async () => {
  const timeout = Object.assign(new Error("Body Timeout Error"), { code: "UND_ERR_BODY_TIMEOUT" });
  const body = new ReadableStream({
    pull: (controller) => controller.error(new TypeError("terminated", { cause: timeout })),
  });
  const services = httpServices({ endpoint: "http://host", fetch: async () => new Response(body) });
  const stream = services.watch.watch(CALL);
  stream.request({ type: "create", create: watchCreateRequest({ key: KEY }) });
  await expect(stream.next()).rejects.toMatchObject({ name: "IdleError", code: GrpcCode.Unavailable });
});
