/** Members in processes of their own: real workerd processes, sockets and signals. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { get as httpGet } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { quorate } from "../cli/support/fake-terminal.ts";
import { hasOpenssl, makeCertificates } from "../grpc/support/certificates.ts";
import { ProcessCluster, type ProcessMemberUnderTest } from "../support/process-cluster.ts";

/** How Node reports a connection that the other side ended in the handshake. */
const ENDED = /alert|hang up|ECONNRESET|EPIPE/;
const TOKEN = "a secret of the members";
/** As `etcdctl endpoint hashkv` printed it of the fixture's etcd. */
const HASH_OF_ETCD = 2_049_612_868;
let folder: string;
let cluster: ProcessCluster | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-processes-"));
});
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  await rm(folder, { recursive: true, force: true });
});

test("three processes are one cluster: any of them serves what another one wrote, and each is listed with its URLs", async () => {
  cluster = await ProcessCluster.start(folder, 3, { peerToken: TOKEN });
  await cluster.leader();
  const [first, second, third] = three(cluster);
  await first.put("a", "1");
  await second.put("b", "2");
  expect([await third.get("a"), await third.get("b")]).toEqual(["1", "2"]);

  await eventually(async () => {
    const { members } = (await third.post("/v3/cluster/member/list", {})) as { members: Record<string, unknown>[] };
    const listed = members.map(({ name, peerURLs, clientURLs }) => ({ name, peerURLs, clientURLs }));
    expect(listed).toHaveLength(3);
    expect(listed).toEqual(
      expect.arrayContaining(
        three(cluster).map(({ name, peerUrl, url }) => ({ name, peerURLs: [peerUrl], clientURLs: [url] })),
      ),
    );
  });
  // The configuration holds the token.
  expect((await stat(join(folder, "m1/workerd.capnp"))).mode & 0o077).toBe(0);
});

test("SIGKILL to the leader loses nothing that was acknowledged; it comes back under its id with all of it", async () => {
  cluster = await ProcessCluster.start(folder, 3);
  const leader = await cluster.leader();
  const other = three(cluster).find((member) => member !== leader) as ProcessMemberUnderTest;
  for (let at = 0; at < 20; at++) await leader.put(`k${at}`, "v");
  await leader.kill();
  await eventually(() => other.put("after", "v"));
  expect(await other.get("k19")).toBe("v");
  await leader.start();
  await eventually(async () => expect(await leader.get("after")).toBe("v"));
  expect(await leader.get("k0")).toBe("v");
});

test("SIGSTOP to the leader: the others elect, and the stopped one does not lead when it goes on", async () => {
  cluster = await ProcessCluster.start(folder, 3);
  const stopped = await cluster.leader();
  const others = three(cluster).filter((member) => member !== stopped);
  stopped.signal("SIGSTOP");
  await eventually(() => others[0]?.put("meanwhile", "v"));
  stopped.signal("SIGCONT");
  await eventually(async () => expect(await stopped.get("meanwhile")).toBe("v"));
  const leading = await Promise.all(three(cluster).map((member) => member.leads()));
  expect(leading.filter(Boolean)).toHaveLength(1);
});

test("a member joins only after it was added; removed, it serves no more, and does not start again", async () => {
  cluster = await ProcessCluster.start(folder, 3);
  await cluster.leader();
  const [first] = three(cluster);
  await first.put("a", "1");
  const newcomer = await cluster.newcomer();
  await newcomer.start();
  await expect(newcomer.get("a")).rejects.toThrow("no member of the cluster has the peer URL");

  const added = (await first.post("/v3/cluster/member/add", { peerURLs: [newcomer.peerUrl] })) as {
    member: { ID: string };
  };
  await eventually(async () => expect(await newcomer.get("a")).toBe("1"));

  await first.post("/v3/cluster/member/remove", { ID: added.member.ID });
  await eventually(() => expect(newcomer.get("a")).rejects.toThrow("permanently removed"));
  await newcomer.stop();
  await newcomer.start();
  await expect(newcomer.get("a")).rejects.toThrow("permanently removed");
  expect(await first.get("a")).toBe("1");
});

describe("a snapshot", () => {
  const FIXTURE = new URL("../cli/fixtures/etcd-v3.7.1-snapshot.db.gz", import.meta.url);
  const restore = async (into: ProcessMemberUnderTest): ReturnType<typeof quorate> => {
    const file = join(folder, "etcd.db");
    await writeFile(file, gunzipSync(await readFile(FIXTURE)));
    return quorate(into.url, ["restore", file, "--auth-off", "--quiet"]);
  };
  const hashOf = async (member: ProcessMemberUnderTest): Promise<unknown> =>
    (await member.post("/v3/maintenance/hashkv", { revision: 10 }))["hash"];

  test("of an etcd goes into a member that is alone; SIGKILL changes nothing, and others join it", async () => {
    cluster = await ProcessCluster.start(folder, 1);
    const [first] = three(cluster);
    await cluster.leader();
    const before = await first.post("/v3/cluster/member/list", {});
    const restored = await restore(first);
    expect(restored.err).toBe("");
    expect(restored.code).toBe(0);
    await first.kill();
    await first.start();
    await eventually(async () => expect(await hashOf(first)).toBe(HASH_OF_ETCD));
    const after = await first.post("/v3/cluster/member/list", {});
    // Another cluster, so that no member of the former one can mix with it.
    expect(clusterOf(after)).not.toBe(clusterOf(before));

    const again = await restore(first);
    expect([again.code, again.err]).toEqual([3, expect.stringContaining("the cluster is not empty")]);
    const newcomer = await cluster.newcomer();
    await first.post("/v3/cluster/member/add", { peerURLs: [newcomer.peerUrl] });
    await newcomer.start();
    await eventually(async () => expect(await hashOf(newcomer)).toBe(HASH_OF_ETCD));
  });

  test("does not go into one of several, which is told what to do", async () => {
    cluster = await ProcessCluster.start(folder, 2);
    await cluster.leader();
    const { code, err } = await restore(three(cluster)[0]);
    expect([code, err]).toEqual([3, expect.stringContaining("start one with a new --data-dir")]);
    await three(cluster)[1].put("goes", "on");
  });
});

describe("the listener for members", () => {
  test("takes frames only with the token, and serves nothing of the API; that of clients takes no frames", async () => {
    cluster = await ProcessCluster.start(folder, 1, { peerToken: TOKEN });
    await cluster.leader();
    const [{ url, peerUrl }] = three(cluster);
    const ask = async (path: string, token?: string, body?: string): Promise<number> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(peerUrl + path, { headers, ...(body === undefined ? {} : { method: "POST", body }) })).status;
    };
    expect(await ask("/quorate/peer/raft", undefined, "x")).toBe(401);
    expect(await ask("/quorate/peer/raft", `${TOKEN}x`, "x")).toBe(401);
    expect(await ask("/quorate/peer/members")).toBe(401);
    expect(await ask("/quorate/peer/raft", TOKEN, "no batch")).toBe(400);
    expect(await ask("/quorate/peer/raft", TOKEN, "x".repeat(6 * 1024 * 1024))).toBe(413);
    expect(await ask("/quorate/peer/members", TOKEN)).toBe(200);
    expect(await ask("/v3/kv/range", TOKEN, "{}")).toBe(404);
    expect(await ask("/quorate/peer/../../v3/kv/range", TOKEN, "{}")).toBe(404);
    for (const path of ["/quorate/peer/raft", "/quorate/peer/members"]) {
      const response = await fetch(url + path, { headers: { authorization: `Bearer ${TOKEN}` } });
      expect(response.status).toBe(404);
    }
  });

  test("takes nothing from a page: a browser can send bytes to loopback, where members need no proof", async () => {
    cluster = await ProcessCluster.start(folder, 1, {});
    await cluster.leader();
    const [{ peerUrl }] = three(cluster);
    const send = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await fetch(`${peerUrl}/quorate/peer/raft`, { method: "POST", body: "no batch", headers })).status;
    expect(await send({})).toBe(400);
    expect(await send({ origin: "https://page.example", "content-type": "text/plain" })).toBe(403);
    // A name of the page's own that points here.
    const rebound = await new Promise((resolve, reject) => {
      httpGet(`${peerUrl}/quorate/peer/members`, { headers: { host: "page.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).once("error", reject);
    });
    expect(rebound).toBe(421);
  });

  test("a member with another token gets nothing, and the cluster goes on without it", async () => {
    cluster = await ProcessCluster.start(folder, 1, { peerToken: TOKEN });
    const [first] = three(cluster);
    await cluster.leader();
    const stranger = await fetch(`${first.peerUrl}/quorate/peer/members`, {
      headers: { authorization: "Bearer a secret of somebody else" },
    });
    expect([stranger.status, await stranger.text()]).toEqual([401, "this is not the peer token"]);
    await first.put("a", "1");
  });

  describe.skipIf(!hasOpenssl)("with certificates (skipped where there is no openssl 3 to make them with)", () => {
    test("members find each other by mutual TLS; a connection without a certificate of their authority ends", async () => {
      const { ca, server, client } = makeCertificates();
      const other = makeCertificates();
      const peerTls = { certificate: { cert: String(server.cert), key: String(server.key) }, ca: String(ca.cert) };
      cluster = await ProcessCluster.start(folder, 3, { peerTls });
      await cluster.leader();
      const [first, second] = three(cluster);
      await first.put("a", "1");
      expect(await second.get("a")).toBe("1");

      const { port } = first.peerListener;
      expect(await statusOf(port, String(ca.cert), client)).toBe(200);
      await expect(statusOf(port, String(ca.cert), undefined)).rejects.toThrow(ENDED);
      await expect(statusOf(port, String(ca.cert), other.client)).rejects.toThrow(ENDED);
    });
  });
});

/** The status of the list of members over TLS. */
function statusOf(
  port: number,
  ca: string,
  pair: { readonly cert: Buffer; readonly key: Buffer } | undefined,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: "localhost", port, ca, ...pair, path: "/quorate/peer/members" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
}

function clusterOf(response: Record<string, unknown>): unknown {
  return (response["header"] as Record<string, unknown>)["cluster_id"];
}

function three(of: ProcessCluster | undefined): readonly [ProcessMemberUnderTest, ...ProcessMemberUnderTest[]] & {
  readonly 1: ProcessMemberUnderTest;
  readonly 2: ProcessMemberUnderTest;
} {
  return of?.members as never;
}

async function eventually(check: () => unknown): Promise<void> {
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      // The test's time-out ends what never comes true; the last reason is in its output.
      lastReason = error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

let lastReason: unknown;
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error("last reason:", lastReason);
});
