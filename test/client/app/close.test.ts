/** The end of a client, and addresses at which there is none. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/app/connect.ts";
import { GrpcCode } from "../../../src/client/client.ts";
import { answerJson, startStub } from "../support/stub-server.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";

let served: ServedMember;

beforeEach(async () => {
  served = await serveMember();
});
afterEach(() => served.close());

const CALL = { token: "", requireLeader: false };

async function leases(): Promise<number> {
  return (await served.services.lease.leases({}, CALL)).leases.length;
}

test.each([true, false])("close resolves when what was held is given back (WebSocket: %s)", async (isShared) => {
  const client = connect({ endpoint: served.endpoint, ...(isShared ? {} : { WebSocket: false }) });
  await client.watch("k").created;
  await client.acquire("lock", { ttl: 60 });
  await client.lead("election", "me", { ttl: 60 });
  await client.presence("room/", { name: "me" });
  expect(await leases()).toBe(3);
  const first = client.close();
  expect(client.close()).toBe(first);
  await first;
  expect(await leases()).toBe(0);
  await expect(client.kv.put("k", "v")).rejects.toMatchObject({ code: GrpcCode.Canceled, message: /closed/u });
});

test("close does not wait for a server that is away", async () => {
  const client = connect({ endpoint: served.endpoint, WebSocket: false });
  await client.acquire("lock", { ttl: 60 });
  served.intercept = () => true;
  await client.close();
  expect(client.connection.getSnapshot().state).toBe("closed");
});

test("await using closes a client", async () => {
  {
    await using client = connect({ endpoint: served.endpoint });
    await client.acquire("lock", { ttl: 60 });
    expect(await leases()).toBe(1);
  }
  expect(await leases()).toBe(0);
});

test("a script that has used everything and closed its client ends by itself", async () => {
  const script = fileURLToPath(new URL("./exit-script.ts", import.meta.url));
  const run = promisify(execFile)(process.execPath, ["--import=tsx", script, served.endpoint], { timeout: 60_000 });
  expect((await run).stdout).toBe("5\n");
  expect(served.sockets).toBe(0);
});

describe("an endpoint that is none", () => {
  test("a page in place of JSON is called one", async () => {
    for (const status of [200, 404, 403]) {
      const stub = await startStub((_, response) => answerJson(response, status, "<!doctype html><title>Shop</title>"));
      const client = connect({ endpoint: stub.endpoint, WebSocket: false });
      await expect(client.kv.range("k")).rejects.toThrow("a web page: no Quorate and no etcd is at this address");
      expect(stub.requests).toHaveLength(1);
      await client.close();
      await stub.close();
    }
  });

  test("https at a port that speaks http is told, once", async () => {
    const client = connect({ endpoint: served.endpoint.replace("http:", "https:"), WebSocket: false });
    const error = await client.kv.range("k").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: GrpcCode.FailedPrecondition, isRetryable: false });
    expect(String(error)).toContain("Is it http: instead of https:?");
    await client.close();
  });

  test.each(["localhost:8787", "ftp://localhost", "/v3", ""])("%s is refused at once", (endpoint) => {
    expect(() => connect({ endpoint })).toThrow("an endpoint is a URL such as http://localhost:8787");
  });
});

test("cluster puts the paths of calls under /c/NAME", async () => {
  const stub = await startStub((_, response) => answerJson(response, 200, { header: {} }));
  const client = connect({ endpoint: `${stub.endpoint}/`, cluster: "team-1", WebSocket: false });
  await client.kv.put("k", "v");
  expect(stub.requests).toEqual(["POST /c/team-1/v3/kv/put"]);
  for (const cluster of ["", "a/b", "..", "a?b", "a b"]) {
    expect(() => connect({ endpoint: stub.endpoint, cluster })).toThrow("a cluster's name is");
  }
  await client.close();
  await stub.close();
});
