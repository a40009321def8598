/**
 * etcd's own command line against the front. It is not installed with this repository:
 * `QUORATE_ETCDCTL=/path/to/etcdctl npx vitest run --project core test/grpc` runs this file too.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { alarmRequest } from "../../src/protocol/api/maintenance.ts";
import { hasOpenssl, makeCertificates } from "./support/certificates.ts";
import { serveGrpc, startGrpcMember } from "./support/served-grpc.ts";
import type { GrpcMember } from "./support/served-grpc.ts";

const ETCDCTL = process.env["QUORATE_ETCDCTL"];
const run = promisify(execFile);

describe.skipIf(ETCDCTL === undefined)("etcdctl (skipped unless QUORATE_ETCDCTL says where it is)", () => {
  let proxy: GrpcMember;
  beforeAll(async () => {
    proxy = await startGrpcMember();
  });
  afterAll(() => proxy.close());

  function argv(args: readonly string[]): string[] {
    return ["--endpoints", proxy.address, ...args];
  }

  async function etcdctl(...args: readonly string[]): Promise<string> {
    return (await run(ETCDCTL ?? "", argv(args))).stdout;
  }

  async function refusal(...args: readonly string[]): Promise<string> {
    try {
      await etcdctl(...args);
    } catch (error) {
      return (error as { readonly stderr: string }).stderr.trim().split("\n").at(-1) ?? "";
    }
    throw new Error(`etcdctl ${args.join(" ")} did not fail`);
  }

  test("adds, lists, updates and removes members, and says why not", async () => {
    const out = await etcdctl("member", "add", "two", "--peer-urls=http://two:2380", "--learner");
    const id = /^Member ([0-9a-f]+) added as learner to cluster/u.exec(out.trim())?.[1] ?? "none";
    expect(await etcdctl("member", "list")).toContain(`${id}, unstarted, , http://two:2380, , true\n`);
    expect(await etcdctl("member", "update", id, "--peer-urls=http://two:1")).toContain("updated in cluster");
    expect(await refusal("member", "promote", id)).toContain("in sync with leader");
    expect(await refusal("member", "add", "x", "--peer-urls=http://two:1")).toContain("Peer URLs already exists");
    expect(await etcdctl("member", "remove", id)).toContain("removed from cluster");
    expect(await refusal("member", "remove", id)).toContain("etcdserver: member not found");
  });

  test("puts, gets, deletes and compacts", async () => {
    expect(await etcdctl("put", "a/1", "one")).toBe("OK\n");
    await etcdctl("put", "a/2", "two");
    expect(await etcdctl("get", "--prefix", "a/")).toBe("a/1\none\na/2\ntwo\n");
    expect(await etcdctl("put", "--prev-kv", "a/2", "zwei")).toBe("OK\na/2\ntwo\n");
    expect(await etcdctl("del", "--prefix", "a/")).toBe("2\n");
    expect(await etcdctl("compaction", "3")).toBe("compacted revision 3\n");
    expect(await refusal("get", "a/1", "--rev", "1")).toBe(
      "Error: etcdserver: mvcc: required revision has been compacted",
    );
  });

  test("saves a snapshot: a database with its SHA-256 behind it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quorate-etcdctl-"));
    const file = join(folder, "snapshot.db");
    await etcdctl("put", "snapshot/1", "x".repeat(100_000));
    expect(await etcdctl("snapshot", "save", file)).toBe(`Snapshot saved at ${file}\nServer version 3.7.0\n`);
    const bytes = await readFile(file);
    expect(bytes.length % 512).toBe(32);
    expect(bytes.subarray(-32).equals(createHash("sha256").update(bytes.subarray(0, -32)).digest())).toBe(true);
    await rm(folder, { recursive: true });
  });

  test("moves the leader, and downgrades", async () => {
    const [id = ""] = (await etcdctl("member", "list")).split(",");
    expect(await etcdctl("move-leader", id)).toBe(`Leadership transferred from ${id} to ${id}\n`);
    expect(await refusal("move-leader", "c")).toContain("etcdserver: bad leader transferee");
    expect(await etcdctl("downgrade", "validate", "3.6")).toBe("Downgrade validate success, cluster version 3.7\n");
    expect(await refusal("downgrade", "validate", "3.5")).toContain("etcdserver: invalid downgrade target version");
    expect(await etcdctl("downgrade", "enable", "3.6")).toBe("Downgrade enable success, cluster version 3.7\n");
    expect(await refusal("downgrade", "enable", "3.6")).toContain(
      "etcdserver: cluster has a downgrade job in progress",
    );
    expect(await etcdctl("downgrade", "cancel")).toBe("Downgrade cancel success, cluster version 3.7\n");
  });

  test("runs a txn from its standard input", async () => {
    const child = spawn(ETCDCTL ?? "", argv(["txn"]));
    let output = "";
    child.stdout.on("data", (part: Buffer) => (output += part.toString()));
    child.stdin.end('create("t/1") = "0"\n\nput t/1 new\nget t/1\n\nget t/1\n\n');
    await once(child, "close");
    expect(output).toBe("SUCCESS\n\nOK\n\nt/1\nnew\n");
  });

  test("watches from a revision on", async () => {
    const put = JSON.parse(await etcdctl("put", "w/1", "hello", "-w", "json")) as { header: { revision: number } };
    await etcdctl("del", "w/1");
    const child = spawn(ETCDCTL ?? "", argv(["watch", "--prefix", "w/", "--rev", String(put.header.revision)]));
    const wanted = "PUT\nw/1\nhello\nDELETE\nw/1\n\n";
    let output = "";
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (part: Buffer) => {
        output += part.toString();
        if (output.length >= wanted.length) resolve();
      });
    });
    child.kill();
    await once(child, "close");
    expect(output).toBe(wanted);
  });

  test("grants, keeps alive, lists and revokes leases", async () => {
    const [, id = ""] = /lease (\w+) granted/.exec(await etcdctl("lease", "grant", "60")) ?? [];
    await etcdctl("put", "l/1", "x", `--lease=${id}`);
    expect(await etcdctl("lease", "keep-alive", "--once", id)).toBe(`lease ${id} keepalived with TTL(60)\n`);
    expect(await etcdctl("lease", "timetolive", id, "--keys")).toMatch(
      /granted with TTL\(60s\).*attached keys\(\[l\/1\]\)/,
    );
    expect(await etcdctl("lease", "list")).toBe(`found 1 leases\n${id}\n`);
    expect(await etcdctl("lease", "revoke", id)).toBe(`lease ${id} revoked\n`);
    expect(await etcdctl("get", "l/1")).toBe("");
  });

  test("locks and holds elections", async () => {
    expect(await etcdctl("lock", "door", "echo", "in")).toBe("in\n");
    const child = spawn(ETCDCTL ?? "", argv(["elect", "chair", "me"]));
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    expect(first.toString()).toMatch(/^chair\/\w+\n/);
    child.kill("SIGINT");
    await once(child, "close");
  });

  test("looks after the endpoint: health, hashes, defragmentation, alarms", async () => {
    expect(await etcdctl("endpoint", "health")).toMatch(/ is healthy: successfully committed proposal: took = /);
    expect(await etcdctl("endpoint", "hashkv")).toMatch(/^127\.0\.0\.1:\d+, \d+, \d+\n$/);
    expect(await refusal("endpoint", "hashkv", "--rev", "1000000")).toContain(
      "etcdserver: mvcc: required revision is a future revision",
    );
    expect(await etcdctl("defrag")).toMatch(/^Finished defragmenting etcd member/);
    const alarm = alarmRequest({ action: "ACTIVATE", memberId: 5n, alarm: "NOSPACE" });
    await proxy.services.maintenance.alarm(alarm, { token: "", requireLeader: false });
    expect(await etcdctl("alarm", "list")).toMatch(/^memberID:5 +alarm:NOSPACE *\n$/);
    expect(await refusal("put", "capped", "v")).toBe("Error: etcdserver: mvcc: database space exceeded");
    expect(await refusal("endpoint", "health")).toBe("Error: unhealthy cluster");
    expect(await etcdctl("alarm", "disarm")).toMatch(/^memberID:5 +alarm:NOSPACE *\n$/);
    expect(await etcdctl("alarm", "list")).toBe("");
    expect(await etcdctl("put", "capped", "v")).toBe("OK\n");
  });

  test("keeps users apart once auth is on", async () => {
    await etcdctl("user", "add", "root:pw");
    await etcdctl("user", "add", "u:pw");
    await etcdctl("role", "add", "r");
    await etcdctl("role", "grant-permission", "r", "readwrite", "--prefix", "k/");
    await etcdctl("user", "grant-role", "u", "r");
    await etcdctl("user", "grant-role", "root", "root");
    expect(await etcdctl("auth", "enable")).toBe("Authentication Enabled\n");
    expect(await etcdctl("--user", "u:pw", "put", "k/1", "v")).toBe("OK\n");
    expect(await refusal("--user", "u:pw", "put", "z/1", "v")).toBe("Error: etcdserver: permission denied");
    expect(await refusal("put", "k/1", "v")).toBe("Error: etcdserver: user name is empty");
    expect(await etcdctl("--user", "root:pw", "auth", "disable")).toBe("Authentication Disabled\n");
  });

  test.skipIf(!hasOpenssl)("speaks TLS, with a client certificate where one is required", async () => {
    const { ca, server, client } = makeCertificates();
    const folder = await mkdtemp(join(tmpdir(), "quorate-etcdctl-tls-"));
    const file = (name: string): string => join(folder, name);
    await Promise.all([
      writeFile(file("ca.pem"), ca.cert),
      writeFile(file("client.pem"), client.cert),
      writeFile(file("client.key"), client.key),
    ]);
    const tls = { ...server, clientCa: ca.cert };
    const secure = await serveGrpc(proxy.services, { tls });
    const args = [
      "--endpoints",
      `https://${secure.address.replace("127.0.0.1", "localhost")}`,
      "--cacert",
      file("ca.pem"),
    ];
    const mine = ["--cert", file("client.pem"), "--key", file("client.key")];
    try {
      expect((await run(ETCDCTL ?? "", [...args, ...mine, "put", "tls/1", "v"])).stdout).toBe("OK\n");
      await expect(run(ETCDCTL ?? "", [...args, "--command-timeout", "1s", "get", "tls/1"])).rejects.toThrow(
        "Command failed",
      );
    } finally {
      await secure.close();
      await rm(folder, { recursive: true });
    }
  });

  test("prints the endpoint's status and its members", async () => {
    expect(await etcdctl("endpoint", "status")).toContain(", 3.7.1, ");
    expect(await etcdctl("member", "list")).toBe("ffff000000000001, started, solo, , , false\n");
  });
});
