/**
 * A file that etcd v3.7.1 has made, read by us; and files of ours read by etcd's tool, where that is installed:
 * `QUORATE_ETCDUTL=/path/to/etcdutl npx vitest run --project core test/cli/etcd-snapshot`.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../src/base/bytes.ts";
import { LeaseTable } from "../../src/lease/lease-table.ts";
import { withSnapshotFile } from "../../src/cli/files/snapshot-file.ts";
import { inspectFile, restoreChunks } from "../../src/member/snapshot/snapshot-import.ts";
import { StateRestore } from "../../src/member/snapshot/state-restore.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../src/mvcc/store.ts";
import { member } from "../../src/protocol/api/cluster.ts";
import { serveMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";

const ETCDUTL = process.env["QUORATE_ETCDUTL"];
const run = promisify(execFile);

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-etcd-"));
  file = join(folder, "etcd.db");
  const packed = await readFile(new URL("./fixtures/etcd-v3.7.1-snapshot.db.gz", import.meta.url));
  await writeFile(file, gunzipSync(packed));
});
afterAll(() => rm(folder, { recursive: true }));

test("status says of etcd's file what etcdutl says", async () => {
  const { out } = await quorate("http://localhost:1", ["snapshot", "status", file, "-w", "json"]);
  expect(JSON.parse(out)).toEqual({
    hash: 1_365_799_875,
    revision: 10,
    totalKey: 4,
    totalSize: 20_480,
    version: "3.7.0",
  });
});

test("what is restored of etcd's file has etcd's hash, its leases with their keys, and its users", async () => {
  const tables = new MemoryTables();
  const restore = new StateRestore(tables);
  await withSnapshotFile(file, ({ reader, hash }) => {
    expect(hash).toBe("right");
    const facts = inspectFile(reader);
    for (const chunk of restoreChunks(reader, facts, { bumpRevision: 0, authOff: false })) restore.take(chunk);
  });
  expect(restore.finish([member({ id: 1n, name: "one" })])).toBe(10);

  const leases = new LeaseTable(tables.bucket("lease"), { granted() {}, revoked() {}, checkpointed() {} });
  const store = new Store(tables, leases);
  // As `etcdctl endpoint hashkv` printed it.
  expect(store.hashKv(0)).toMatchObject({ hash: 2_049_612_868, hashRevision: 10, compactRevision: 4 });
  const lease = 0x6064_a204_80e8_2f0an;
  expect(leases.get(lease)?.ttl).toBe(500);
  expect(leases.keysOf(lease).map(bytesToLatin1)).toEqual(["leased"]);
  for (const [bucket, name] of [
    ["authUsers", "ada"],
    ["authRoles", "readers"],
  ] as const) {
    expect(tables.bucket(bucket).get(latin1ToBytes(name))).toBeDefined();
  }
});

describe.skipIf(ETCDUTL === undefined)("etcdutl (skipped unless QUORATE_ETCDUTL says where it is)", () => {
  test("says of our file what we say, finds the same history in it, and restores it", async () => {
    const served = await serveMember();
    const ours = join(folder, "ours.db");
    for (let at = 0; at < 200; at++) await quorate(served.endpoint, ["put", `key${at % 150}`, "x".repeat(at * 20)]);
    await quorate(served.endpoint, ["del", "key7"]);
    await quorate(served.endpoint, ["snapshot", "save", ours]);
    const { out } = await quorate(served.endpoint, ["snapshot", "status", ours, "-w", "json"]);
    const hashKv = served.services.maintenance.hashKv({ revision: 0 }, { token: "", requireLeader: false });
    await served.close();

    const received = await run(ETCDUTL ?? "", ["snapshot", "status", ours, "-w", "json"]);
    expect(JSON.parse(received.stdout)).toEqual(JSON.parse(out));
    await run(ETCDUTL ?? "", ["snapshot", "restore", ours, "--data-dir", join(folder, "data")]);
    // Last, because it writes to the file.
    const hashed = await run(ETCDUTL ?? "", ["hashkv", ours]);
    expect(Number(hashed.stdout.split(",")[0])).toBe((await hashKv).hash);
  });
});
