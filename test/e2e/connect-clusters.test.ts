/** `connect({ endpoint, cluster })` against a deployment with two closed clusters: nothing of one is seen through another. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { connect } from "../../src/entry/index.ts";
import type { ApplicationClient, ConnectOptions } from "../../src/entry/index.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { MUX_PATH } from "../../src/protocol/mux-frame.ts";
import { quorate } from "../cli/support/fake-terminal.ts";
import { EdgeServer } from "../support/edge-server.ts";

const OWNER = { QUORATE_TOKEN: "0123456789-setup-token" };
/** The same name and password in both: what is told apart is told apart by the cluster. */
const ROOT = { name: "root", password: "pw" };

/** A machine with others at work takes long to hash a password. */
const PATIENT_MS = 100_000;

let folder: string;
let server: EdgeServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-connect-clusters-"));
  server = await EdgeServer.start(folder, ["--closed", "--setup-token", OWNER.QUORATE_TOKEN]);
  for (const name of ["left", "right"]) {
    const created = await quorate(server.url, ["cluster", "create", name, "--size", "1"], { env: OWNER });
    const QUORATE_TOKEN = /QUORATE_TOKEN=([0-9a-f]{64})/.exec(created.out)?.[1] ?? "";
    const secrets = [ROOT.password, ROOT.password];
    const init = await quorate(server.url, ["auth", "init", "--cluster", name], { env: { QUORATE_TOKEN }, secrets });
    expect(init.err).not.toContain("error");
    expect(init.code).toBe(0);
  }
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The addresses of all WebSockets that were opened, in order. */
const sockets: string[] = [];
class CountedSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols);
    sockets.push(new URL(url).pathname);
  }
}

const clients: ApplicationClient[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close()));
  sockets.length = 0;
});

function client(cluster: string, options: Partial<ConnectOptions> = {}): ApplicationClient {
  const opened = connect({
    endpoint: server.url,
    cluster,
    user: ROOT,
    WebSocket: CountedSocket,
    timeoutMs: PATIENT_MS,
    ...options,
  });
  clients.push(opened);
  return opened;
}

async function tokenOf(cluster: string): Promise<string> {
  const { token } = await server.post(`/c/${cluster}/v3/auth/authenticate`, ROOT);
  return String(token);
}

test.each([
  ["one WebSocket for each", CountedSocket],
  ["HTTP alone", false as const],
])(
  "calls, watches, live maps, locks and leases of one cluster know nothing of the other's, over %s",
  async (_, way) => {
    const [left, right] = [client("left", { WebSocket: way }), client("right", { WebSocket: way })];
    const [leftFlags, rightFlags] = [left.namespace<string>("flags/"), right.namespace<string>("flags/")];
    const [leftLive, rightLive] = [leftFlags.live(), rightFlags.live()];
    await Promise.all([leftLive.ready, rightLive.ready]);
    const watched = right.watch("flags/", { prefix: true });
    await watched.created;

    await leftFlags.put("only-left", "secret");
    await rightFlags.put("both", "right");
    await leftFlags.put("both", "left");
    // The next event of the right cluster is the one of its own write.
    const { value } = await watched.next();
    expect(value?.events.map(({ kv }) => [right.toText(kv.key), right.toText(kv.value)])).toEqual([
      ["flags/both", '"right"'],
    ]);
    expect(await rightFlags.get("only-left")).toBeUndefined();
    await until(rightLive, () => rightLive.get("both")?.value === "right");
    await until(leftLive, () => leftLive.get("both")?.value === "left");
    expect([...rightLive.entries.keys()]).toEqual(["both"]);
    expect([...leftLive.entries.keys()]).toEqual(["both", "only-left"]);

    // One name, two locks.
    const held = await Promise.all([left.acquire("jobs"), right.acquire("jobs")]);
    await Promise.all(held.map((lock) => lock.release()));

    const lease = await left.lease.grant(60);
    await expect(right.lease.revoke(lease.id)).rejects.toMatchObject({ code: GrpcCode.NotFound });
    expect((await right.lease.leases()).ids).not.toContain(lease.id);
    await left.lease.revoke(lease.id);
    await Promise.all([leftFlags.delete("both"), leftFlags.delete("only-left"), rightFlags.delete("both")]);
    expect(sockets.toSorted()).toEqual(way === false ? [] : [`/c/left${MUX_PATH}`, `/c/right${MUX_PATH}`]);
  },
);

test("a token of one cluster opens no other and not the endpoint's own, over HTTP and over the shared socket", async () => {
  const token = await tokenOf("left");
  const own = client("left", { user: undefined, token });
  await own.kv.put("k", "v");
  expect((await own.kv.range("k")).kvs).toHaveLength(1);
  await own.watch("k").created;
  expect(sockets).toEqual([`/c/left${MUX_PATH}`]);

  const refused = { code: GrpcCode.Unauthenticated };
  for (const way of [CountedSocket, false as const]) {
    const stranger = client("right", { user: undefined, token, WebSocket: way });
    await expect(stranger.watch("k").created).rejects.toMatchObject(refused);
    await expect(stranger.kv.range("k")).rejects.toMatchObject(refused);
    await expect(stranger.kv.put("k", "v")).rejects.toMatchObject(refused);
    await expect(stranger.acquire("jobs")).rejects.toMatchObject(refused);
  }
  // There a token that is none counts as an attempt to guess the setup token, of which there may be few.
  const atOwn = connect({ endpoint: server.url, token, WebSocket: CountedSocket });
  clients.push(atOwn);
  await expect(atOwn.kv.range("k")).rejects.toMatchObject(refused);
  await expect(atOwn.watch("k").created).rejects.toMatchObject(refused);
  await expect(client("right", { user: undefined }).kv.range("k")).rejects.toMatchObject({
    code: GrpcCode.InvalidArgument,
  });
});

test("a name that would be another path is refused before anything is sent, and an unknown cluster by name", async () => {
  for (const cluster of ["../right", "left/m/1", "..", "", "left?x", "left#x", "%2e%2e"]) {
    expect(() => connect({ endpoint: server.url, cluster }), cluster).toThrow("a cluster's name is");
  }
  await expect(client("nobodys", { user: undefined }).kv.range("k")).rejects.toThrow("nobodys");
});

/** Resolves when a live map shows it. */
async function until(live: { subscribe(run: () => void): () => void }, isSo: () => boolean): Promise<void> {
  let stop = (): void => {};
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (isSo()) resolve();
    };
    stop = live.subscribe(look);
    look();
  });
  stop();
}
