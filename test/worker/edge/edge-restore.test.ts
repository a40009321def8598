import { runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, test } from "vitest";
import { latin1ToBytes } from "../../../src/base/bytes.ts";
import { Sha256 } from "../../../src/base/sha256.ts";
import { toBase64 } from "../../../src/base/text-codes.ts";
import { joinRecords } from "../../../src/member/snapshot/snapshot-codec.ts";
import { leaseSchema } from "../../../src/protocol/api/schema/lease-schema.ts";
import { lease } from "../../../src/protocol/api/lease.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { snapshotRecordSchema } from "../../../src/protocol/peer/snapshot-schema.ts";
import type { SnapshotRecord } from "../../../src/protocol/peer/snapshot.ts";
import { snapshotRow } from "../../../src/protocol/peer/snapshot.ts";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { writeTombstone } from "../../../worker/member/tombstone.ts";
import { edge, eventually, get, kill, post, put, stubOf } from "../support/edge-kit.ts";

const MEMBERS = [1, 2, 3];
const LEASE = 77n;
const ROWS = 600;
const LAST = ROWS + 1;

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function step(name: string, query: Readonly<Record<string, string>>, body?: Uint8Array): Promise<Answer> {
  const bytes = Uint8Array.from(body ?? []);
  const headers = { "content-length": String(bytes.length) };
  const init = { method: "POST", body: bytes, headers };
  const response = await edge(`/quorate/restore/${name}?${new URLSearchParams(query).toString()}`, init);
  return { status: response.status, body: await response.json() };
}

async function begun(): Promise<string> {
  const answer = await step("begin", {});
  expect(answer).toMatchObject({ status: 200 });
  return String(answer.body["restore"]);
}

/** A lease, and 600 rows of 100 keys, some of which hang on it. */
const CHUNKS: readonly Uint8Array[] = (() => {
  const leaseKey = new Uint8Array(9);
  new DataView(leaseKey.buffer).setBigInt64(1, LEASE);
  const value = encode(leaseSchema, lease({ id: LEASE, ttl: 500 }));
  const rows = Array.from({ length: ROWS }, (_, at): SnapshotRecord => {
    const main = at + 2;
    const key = latin1ToBytes(`key${at % 100}`);
    const place = { key, main, createRevision: 2 + (at % 100), version: Math.floor(at / 100) + 1 };
    const row = { ...place, lease: at % 100 < 3 ? LEASE : 0n, value: latin1ToBytes(`${main} ${"x".repeat(2_000)}`) };
    return { type: "row", row: snapshotRow(row) };
  });
  const first = [{ type: "bucket", bucket: { name: "lease", key: leaseKey, value } } as const, ...rows.slice(0, 300)];
  return [chunkOf(first), chunkOf(rows.slice(300))];
})();

function chunkOf(records: readonly SnapshotRecord[]): Uint8Array {
  const parts = records.map((record) => encode(snapshotRecordSchema, record));
  return joinRecords(
    parts,
    parts.reduce((sum, part) => sum + part.length + 4, 0),
  );
}

async function sent(restore: string): Promise<string> {
  const hash = new Sha256();
  for (const [piece, chunk] of CHUNKS.entries()) {
    hash.update(chunk);
    expect(await step("chunk", { restore, piece: String(piece) }, chunk)).toMatchObject({ status: 200 });
  }
  return toBase64(hash.digest());
}

interface Status {
  readonly id: string;
  readonly clusterId: string;
  readonly revision: number;
  readonly members: readonly { readonly id: string }[];
}

async function status(number: number): Promise<Status> {
  return (await edge(`/m/${number}/quorate/status`)).json();
}

/** Nobody wrote anything, and everybody answers. */
async function isAsBefore(clusterId: string): Promise<void> {
  expect(await get("key1")).toBeUndefined();
  for (const number of MEMBERS) {
    const answer = await status(number);
    expect({ clusterId: answer.clusterId, revision: answer.revision }).toEqual({ clusterId, revision: 1 });
  }
}

let before: Status;

beforeAll(async () => {
  await get("any");
  before = await status(1);
});

test("while it goes on nothing can be written or read, and when it is broken off all is as it was", async () => {
  const restore = await begun();
  await step("chunk", { restore, piece: "0" }, CHUNKS[0]);
  for (const number of MEMBERS) {
    const answer = await edge(`/m/${number}/v3/kv/put`, { method: "POST", body: JSON.stringify({ key: "YQ==" }) });
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("A snapshot is being restored");
  }
  expect(await step("begin", {})).toMatchObject({ status: 409 });
  expect(await step("abort", { restore })).toMatchObject({ status: 200 });
  await isAsBefore(before.clusterId);
});

test("pieces that are damaged, missing or out of turn break it off", async () => {
  const damaged = await begun();
  const cut = CHUNKS[0]?.subarray(0, 1_000);
  expect(await step("chunk", { restore: damaged, piece: "0" }, cut)).toMatchObject({ status: 400 });
  const early = await begun();
  expect(await step("chunk", { restore: early, piece: "1" }, CHUNKS[1])).toMatchObject({ status: 400 });
  const missing = await begun();
  const hash = toBase64(new Sha256().digest());
  await step("chunk", { restore: missing, piece: "0" }, CHUNKS[0]);
  expect(await step("commit", { restore: missing, sha256: hash })).toMatchObject({ status: 400 });
  expect(await step("chunk", { restore: missing, piece: "1" }, CHUNKS[1])).toMatchObject({ status: 409 });
  await isAsBefore(before.clusterId);
});

test("when the deciding member dies before the end, all is as it was", async () => {
  const restore = await begun();
  const sha256 = await sent(restore);
  await kill(1);
  expect(await step("commit", { restore, sha256 })).toMatchObject({ status: 409 });
  // Held members ask at their next event; those that have just been asked wait a while.
  for (const number of MEMBERS) await kill(number);
  await isAsBefore(before.clusterId);
});

test("pages may not restore", async () => {
  const init = { method: "POST", headers: { origin: "http://elsewhere.example" } };
  expect((await edge("/quorate/restore/begin", init)).status).toBe(403);
});

test("after a restore it is another cluster, complete on all members, though two of them were not notified and all crashed", async () => {
  const restore = await begun();
  const sha256 = await sent(restore);
  // The call that would tell them is lost.
  for (const number of [2, 3]) {
    await runInDurableObject(stubOf(number), (member) => {
      Object.defineProperty(member, "restoring", { value: () => Promise.reject(new Error("lost")) });
    });
  }
  expect(await step("commit", { restore, sha256 })).toEqual({ status: 200, body: { revision: LAST, members: 3 } });
  for (const number of MEMBERS) await kill(number);

  for (const number of MEMBERS) await eventually("key99", `${LAST} ${"x".repeat(2_000)}`, `/m/${number}`);
  const hashes = new Set<unknown>();
  for (const number of MEMBERS) {
    const after = await status(number);
    expect(after.revision).toBe(LAST);
    expect(after.clusterId).not.toBe(before.clusterId);
    const olds = before.members.map(({ id }) => id);
    expect(after.members.some(({ id }) => olds.includes(id))).toBe(false);
    hashes.add((await post<{ readonly hash: unknown }>(`/m/${number}/v3/maintenance/hashkv`, {})).hash);
  }
  expect(hashes.size).toBe(1);
});

test("revisions, versions, history and leases are those of the snapshot, and writes go on from there", async () => {
  const range = await post("/v3/kv/range", { key: btoa("key1") });
  expect(range).toMatchObject({ kvs: [{ mod_revision: String(ROWS - 97), create_revision: "3", version: "6" }] });
  const old = await post("/v3/kv/range", { key: btoa("key1"), revision: "3" });
  expect(old).toMatchObject({ kvs: [{ mod_revision: "3", version: "1" }] });
  const left = await post<{ readonly TTL: string }>("/v3/lease/timetolive", { ID: String(LEASE), keys: true });
  expect(left).toMatchObject({ grantedTTL: "500", keys: ["key0", "key1", "key2"].map(btoa) });
  expect(Number(left.TTL)).toBeGreaterThan(400);
  expect(await put("new", "value")).toBe(LAST + 1);
  for (const number of MEMBERS) await eventually("new", "value", `/m/${number}`);
});

test("a cluster that was written to is refused", async () => {
  expect(await step("begin", {})).toMatchObject({
    status: 412,
    body: { message: expect.stringMatching(/not empty.*nothing was ever written.*cluster create/) as string },
  });
  for (const number of MEMBERS) {
    const held = runInDurableObject(stubOf(number), (member: EdgeMember) =>
      member.restoring({ type: "hold", restore: "x" }),
    );
    expect(await held).toBe("not-empty");
  }
  expect(await put("more", "value")).toBe(LAST + 2);
});

test("objects of members that were removed are no empty cluster, though they hold nothing", async () => {
  await runInDurableObject(stubOf(1), (_member, state) => {
    writeTombstone(state.storage, { cluster: 1n, member: 2n, members: [3n], removed: [2n], header: undefined });
  });
  const answer = await runInDurableObject(stubOf(1), (member: EdgeMember) =>
    member.restoring({ type: "hold", restore: "x" }),
  );
  expect(answer).toBe("not-empty");
});
