/** Backups from the cron trigger into a bucket and back into a cluster, by the command line, as a user does it. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sha256 } from "../../src/base/sha256.ts";
import { toBase64 } from "../../src/base/text-codes.ts";
import { withSnapshotFile } from "../../src/cli/files/snapshot-file.ts";
import { inspectFile, restoreChunks } from "../../src/member/snapshot/snapshot-import.ts";
import { quorate } from "../cli/support/fake-terminal.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { WranglerServer } from "../support/wrangler-server.ts";

const KEYS = 300;
const VALUE = "v".repeat(2_000);

interface Range {
  readonly header: { readonly revision: string; readonly cluster_id: string };
  readonly kvs?: readonly object[];
  readonly count?: string;
}

async function post(url: string, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

async function put(url: string, key: string, value: string): Promise<void> {
  await post(url, "/v3/kv/put", { key: btoa(key), value: btoa(value) });
}

/** Everything that is there now, and at an earlier revision. */
async function contentOf(url: string, revision?: string): Promise<Range> {
  const all = { key: "AA==", range_end: "AA==", ...(revision === undefined ? {} : { revision }) };
  return (await post(url, "/v3/kv/range", all)) as unknown as Range;
}

/** Rows of several revisions, deletions, leases. */
async function fill(url: string): Promise<void> {
  const grant = await post(url, "/v3/lease/grant", { TTL: 5_000 });
  for (let key = 0; key < KEYS; key++) await put(url, `key ${key}`, `${key} ${VALUE}`);
  await put(url, "key 1", "again");
  await post(url, "/v3/kv/deleterange", { key: btoa("key 2") });
  await post(url, "/v3/kv/put", { key: btoa("leased"), value: btoa("x"), lease: grant["ID"] });
}

async function newestOf(url: string): Promise<string> {
  const { code, out } = await quorate(url, ["backup", "list", "--json"]);
  expect(code).toBe(0);
  const [newest] = JSON.parse(out) as readonly { name: string }[];
  return newest?.name ?? "";
}

describe("with a bucket", () => {
  let server: WranglerServer;
  let acme: string;

  beforeAll(async () => {
    server = await WranglerServer.start({ BACKUP_RETENTION: "3", CLUSTER_SIZE: "1" });
    acme = `${server.url}/c/acme`;
    expect((await quorate(server.url, ["cluster", "create", "acme", "--size", "3"])).code).toBe(0);
    await put(server.url, "first", "of the first cluster");
    await fill(acme);
  });
  afterAll(() => server.stop());

  async function emptyCluster(name: string): Promise<string> {
    expect((await quorate(server.url, ["cluster", "create", name, "--size", "1"])).code).toBe(0);
    return `${server.url}/c/${name}`;
  }

  const restore = (name: string, into: string): ReturnType<typeof quorate> =>
    quorate(acme, ["backup", "restore", name, "--into", into, "--quiet"]);

  test("the cron trigger's backup becomes an equal cluster where an empty one is, with another identity", async () => {
    await server.fireCron();
    const name = await newestOf(acme);
    const revision = (await contentOf(acme)).header.revision;
    await put(acme, "later", "not in the backup");
    const again = await emptyCluster("again");

    const { code, out } = await restore(name, again);

    expect([code, out]).toEqual([0, expect.stringContaining(`keys at revision ${revision}`)]);
    for (const at of [revision, "100"]) {
      const [source, restored] = [await contentOf(acme, at), await contentOf(again, at)];
      expect(restored.kvs).toEqual(source.kvs);
      expect(restored.header.cluster_id).not.toBe(source.header.cluster_id);
    }
    const hashes = await Promise.all(
      [acme, again].map(async (url) => (await post(url, "/v3/maintenance/hashkv", { revision }))["hash"]),
    );
    expect(hashes[0]).toBe(hashes[1]);
    const { leases } = await post(again, "/v3/lease/leases", {});
    expect(leases).toHaveLength(1);
    await put(again, "after", "written");
    expect((await contentOf(again)).header.revision).toBe(String(Number(revision) + 1));
  });

  test("a cluster that has data is not replaced, and the refusal says what to do", async () => {
    const name = await newestOf(acme);
    const before = await contentOf(acme);
    const { code, err } = await restore(name, acme);
    expect([code, err]).toEqual([3, expect.stringMatching(/not empty.*quorate cluster create/)]);
    expect(await contentOf(acme)).toEqual(before);
    await put(acme, "still", "writable");
  });

  test("a backup that was damaged in the bucket is refused whole, wherever the damage is", async () => {
    const name = await newestOf(acme);
    const target = await emptyCluster("target");
    const sizes = await Promise.all(
      (await server.blobs()).map(async (path) => ({ path, size: (await stat(path)).size })),
    );
    const { bytes } = await backupOf(acme, name);
    const blob = sizes.find(({ size }) => size === bytes)?.path ?? "";
    const whole = await readFile(blob);
    // Both meta pages, the free list, pages of every kind, the padding between them, the hash, the last byte.
    const places = [0, 16, 40, 4_096 + 24, 2 * 4_096 + 8, 3 * 4_096, 4 * 4_096 + 100];
    for (let at = 5 * 4_096 + 7; at < whole.length; at += Math.ceil(whole.length / 12)) places.push(at);
    for (const place of [...places, whole.length - 32, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[place] = (damaged[place] ?? 0) ^ 0x10;
      await writeFile(blob, damaged);
      const { code, err } = await restore(name, target);
      expect([place, code, err]).toEqual([place, 1, expect.stringMatching(/damaged|not an? |bbolt|database|page/)]);
    }
    await writeFile(blob, whole.subarray(0, -5_000));
    expect((await restore(name, target)).code).not.toBe(0);
    await writeFile(blob, whole);

    // Nothing of all this reached the cluster: it is as empty as a backup wants it.
    expect((await contentOf(target)).header.revision).toBe("1");
    expect((await restore(name, target)).code).toBe(0);
  });

  test("each cluster has its own backups, and keeps as many as it may", async () => {
    for (let times = 0; times < 4; times++) await server.fireCron();
    const listed = await quorate(acme, ["backup", "list", "--json"]);
    expect(JSON.parse(listed.out)).toHaveLength(3);
    const name = await newestOf(server.url);
    const into = await emptyCluster("of-first");
    expect((await quorate(server.url, ["backup", "restore", name, "--into", into, "--quiet"])).code).toBe(0);
    expect((await contentOf(into)).kvs).toHaveLength(1);
    const { code, err } = await quorate(`${server.url}/c/again`, ["backup", "restore", name, "--into", into]);
    expect([code, err]).toEqual([3, expect.stringContaining("there is no such backup")]);
  });

  async function backupOf(url: string, name: string): Promise<{ readonly bytes: number }> {
    const { backups } = (await post(url, "/quorate/backups/list", {})) as {
      backups: readonly { name: string; bytes: number }[];
    };
    return backups.find((backup) => backup.name === name) ?? { bytes: 0 };
  }
});

describe("a restore that is killed midway", () => {
  let folder: string;
  let chunks: readonly Uint8Array[];
  let sha256: string;
  let revision: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "quorate-killed-"));
    const source = await EdgeServer.start(join(folder, "source"));
    await fill(source.url);
    revision = Number((await contentOf(source.url)).header.revision);
    const path = join(folder, "saved.db");
    expect((await quorate(source.url, ["snapshot", "save", path, "--quiet"])).code).toBe(0);
    await source.stop();
    chunks = await withSnapshotFile(path, ({ reader }) => {
      const options = { bumpRevision: 0, authOff: false };
      return [...restoreChunks(reader, inspectFile(reader), options)].map((chunk) => chunk.slice());
    });
    const hash = new Sha256();
    for (const chunk of chunks) hash.update(chunk);
    sha256 = toBase64(hash.digest());
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const step = async (url: string, name: string, query: Record<string, string>, body?: Uint8Array): Promise<string> => {
    const text = new URLSearchParams(query).toString();
    const response = await fetch(`${url}/quorate/restore/${name}?${text}`, {
      method: "POST",
      body: Buffer.from(body ?? []),
    });
    const answer = (await response.json()) as { restore?: string };
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer.restore ?? "";
  };

  async function send(url: string, count: number): Promise<string> {
    const restore = await step(url, "begin", {});
    for (let piece = 0; piece < count; piece++) {
      await step(url, "chunk", { restore, piece: String(piece) }, chunks[piece]);
    }
    return restore;
  }

  test.each([
    ["in the middle of its pieces", undefined],
    ["as its last step begins", 0],
    ["a moment later", 3],
    ["another moment later", 10],
    ["when it may have ended", 40],
    ["when it has ended", 2_000],
  ])("%s leaves the cluster empty or whole, on every member", async (_when, killedAfterMs) => {
    const data = await mkdtemp(join(folder, "data-"));
    let server = await EdgeServer.start(data);
    const restore = await send(server.url, killedAfterMs === undefined ? chunks.length >> 1 : chunks.length);
    const committed = killedAfterMs === undefined ? undefined : step(server.url, "commit", { restore, sha256 });
    const outcome = committed?.then(
      () => "committed",
      () => "unknown",
    );
    await new Promise((resolve) => setTimeout(resolve, killedAfterMs ?? 0));
    await server.killWorkerd();

    server = await EdgeServer.start(data);
    try {
      const found: string[] = [];
      for (const member of ["", "/m/1", "/m/2", "/m/3"]) {
        const { header, count } = await contentOf(`${server.url}${member}`);
        found.push(`${count ?? 0} keys at ${header.revision}`);
      }
      const whole = `${KEYS} keys at ${revision}`;
      const wanted = (await outcome) === "committed" ? [whole] : [whole, "0 keys at 1"];
      expect(wanted).toContain(found[0]);
      expect(new Set(found).size).toBe(1);
      if (found[0] !== whole) {
        // It is as empty as a restore wants it.
        await step(server.url, "commit", { restore: await send(server.url, chunks.length), sha256 });
        expect((await contentOf(server.url)).count).toBe(String(KEYS));
      }
      await server.put("after", "written");
    } finally {
      await server.stop();
    }
  });
});
