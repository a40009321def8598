/** Backups in the emulated R2 bucket. */
import { createExecutionContext, createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { BackupStore } from "../../../worker/backup/backup-store.ts";
import { clusterKey } from "../../../worker/common/cluster-record.ts";
import type { Env } from "../../../worker/common/env.ts";
import worker from "../../../worker/main.ts";
import { Sha256 } from "../../../src/base/sha256.ts";
import { call, create, manage } from "../support/clusters-kit.ts";
import { edge, put } from "../support/edge-kit.ts";

const own = env as unknown as Env & { readonly BACKUPS: R2Bucket };

async function backups(
  base: string,
  step: string,
  token = "",
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers: Record<string, string> = token === "" ? {} : { authorization: token };
  const response = await edge(`${base}/quorate/backups/${step}`, { method: "POST", headers });
  return { status: response.status, body: await response.json() };
}

async function names(base: string, token = ""): Promise<readonly string[]> {
  const { body } = await backups(base, "list", token);
  return (body as { backups: readonly { name: string }[] }).backups.map(({ name }) => name);
}

async function fileOf(base: string, name: string): Promise<Uint8Array> {
  const response = await edge(`${base}/quorate/backups/get?name=${name}`, { method: "POST" });
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

function isWhole(file: Uint8Array): boolean {
  const digest = new Sha256().update(file.subarray(0, -32)).digest();
  return digest.every((byte, at) => byte === file[file.length - 32 + at]);
}

function has(file: Uint8Array, text: string): boolean {
  return new TextDecoder("latin1").decode(file).includes(text);
}

test("now writes a whole snapshot of one cluster; another cluster has none, and cannot fetch it", async () => {
  await create("saved");
  await create("beside");
  await call("/c/saved", "/v3/kv/put", { key: btoa("who"), value: btoa("value-of-saved") });
  await put("who", "value-of-first");

  const { status, body } = await backups("/c/saved", "now");

  expect(status).toBe(200);
  const name = String(body["name"]);
  expect(await names("/c/saved")).toEqual([name]);
  expect([await names("/c/beside"), await names("")]).toEqual([[], []]);
  const file = await fileOf("/c/saved", name);
  expect([file.length, isWhole(file), has(file, "value-of-saved"), has(file, "value-of-first")]).toEqual([
    body["bytes"],
    true,
    true,
    false,
  ]);
  for (const base of ["/c/beside", ""]) {
    for (const other of [name, `../saved/${name}`, `..%2F..%2F${name}`, ""]) {
      const response = await edge(`${base}/quorate/backups/get?name=${other}`, { method: "POST" });
      expect([base, other, response.status]).toEqual([base, other, 404]);
      await response.text();
    }
  }
});

test("the cron trigger backs up every cluster, and keeps the newest ones of each", async () => {
  await put("first", "value-of-first");
  const scheduled = async (retention: string): Promise<void> => {
    const controller = createScheduledController({ cron: "17 3 * * *", scheduledTime: new Date() });
    const changed = { ...own, BACKUP_RETENTION: retention };
    await worker.scheduled?.(controller, changed, createExecutionContext());
  };
  await scheduled("2");
  const [first] = await names("");
  expect(has(await fileOf("", first ?? ""), "value-of-first")).toBe(true);
  await scheduled("2");
  await scheduled("2");
  const kept = await names("");
  expect([kept.length, kept.includes(first ?? "")]).toEqual([2, false]);
  expect([(await names("/c/saved")).length, (await names("/c/beside")).length]).toEqual([2, 2]);
});

test("a cluster with the name of a deleted one does not see that one's backups", async () => {
  await create("again");
  await backups("/c/again", "now");
  expect((await names("/c/again")).length).toBe(1);
  await manage("delete", { name: "again" });
  await create("again");
  // This isolate still knows the deleted one, and forgets it when it is told.
  expect(await backups("/c/again", "list")).toMatchObject({
    status: 404,
    body: { message: "the cluster was deleted" },
  });
  expect(await names("/c/again")).toEqual([]);
});

test("with auth enabled, root alone handles backups", async () => {
  await create("auth-backup");
  const post = (path: string, body: object, token?: string): ReturnType<typeof call> =>
    call("/c/auth-backup", path, body, token);
  for (const name of ["root", "user"]) await post("/v3/auth/user/add", { name, password: "pw" });
  await post("/v3/auth/user/grant", { user: "root", role: "root" });
  await post("/v3/auth/enable", {});
  const tokenOf = async (name: string): Promise<string> =>
    (await post("/v3/auth/authenticate", { name, password: "pw" })).body.token ?? "";
  for (const step of ["now", "list", "get"]) {
    expect((await backups("/c/auth-backup", step)).status).toBe(400);
    expect((await backups("/c/auth-backup", step, await tokenOf("user"))).status).toBe(403);
    expect((await backups("/c/auth-backup", step, "no.1")).status).toBe(401);
  }
  expect((await backups("/c/auth-backup", "now", await tokenOf("root"))).status).toBe(200);
  // The cron trigger is the owner's, and needs no user.
  await worker.scheduled?.(createScheduledController({ cron: "* * * * *" }), own, createExecutionContext());
  expect((await names("/c/auth-backup", await tokenOf("root"))).length).toBe(2);
});

test("pages, other methods and deployments without a bucket are told so", async () => {
  const headers = { origin: "http://edge" };
  expect((await edge("/quorate/backups/list", { method: "POST", headers })).status).toBe(403);
  expect((await edge("/quorate/backups/list")).status).toBe(405);
  expect((await edge("/quorate/backups/drop", { method: "POST" })).status).toBe(404);
  const without = { ...own, BACKUPS: undefined } as unknown as Env;
  const response = await edge("/quorate/backups/list", { method: "POST" }, { BACKUPS: undefined } as unknown as Env);
  expect([response.status, await response.json()]).toMatchObject([412, { message: /bind an R2 bucket as BACKUPS/ }]);
  await worker.scheduled?.(createScheduledController({ cron: "* * * * *" }), without, createExecutionContext());
});

/** A snapshot of so many bytes, with its hash at the end, in chunks as they come from a member. */
function snapshotOf(
  bytes: number,
  spoil?: (chunk: Uint8Array, at: number) => Uint8Array | undefined,
): ReadableStream<Uint8Array> {
  const hash = new Sha256();
  let left = bytes;
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) {
        controller.enqueue(hash.digest());
        controller.close();
        return;
      }
      const chunk = new Uint8Array(Math.min(32 * 1024, left)).fill(at++ % 251);
      hash.update(chunk);
      left -= chunk.length;
      const sent = spoil === undefined ? chunk : spoil(chunk, at);
      if (sent === undefined) controller.error(new Error("the member was lost"));
      else controller.enqueue(sent);
    },
  });
}

test.each([0, 1, 8 * 1024 * 1024 - 32, 8 * 1024 * 1024, 17 * 1024 * 1024 + 7])(
  "a snapshot of %i bytes is uploaded in parts and read back byte for byte",
  async (bytes) => {
    const key = clusterKey({ name: "large", id: "a".repeat(32), size: 1, locations: "", jurisdiction: "", room: "" });
    const store = new BackupStore(own.BACKUPS, key);
    const sizes: number[] = [];
    const recording = {
      createMultipartUpload: async (name: string) => {
        const upload = await own.BACKUPS.createMultipartUpload(name);
        return {
          uploadPart: (number: number, part: Uint8Array) => {
            sizes.push(part.length);
            return upload.uploadPart(number, part);
          },
          complete: (parts: R2UploadedPart[]) => upload.complete(parts),
          abort: () => upload.abort(),
        };
      },
    };
    const written = await new BackupStore(recording as unknown as R2Bucket, key).write(
      snapshotOf(bytes),
      Date.UTC(2026, 0, 1) + bytes,
    );
    expect(written.bytes).toBe(bytes + 32);
    const file = new Uint8Array((await (await store.read(written.name))?.arrayBuffer()) ?? new ArrayBuffer(0));
    expect([file.length, isWhole(file)]).toEqual([bytes + 32, true]);
    expect(sizes.slice(0, -1).every((size) => size === 8 * 1024 * 1024)).toBe(true);
    expect(sizes.length).toBe(Math.ceil((bytes + 32) / (8 * 1024 * 1024)));
  },
);

test.each([
  [
    "a byte is changed on its way",
    (chunk: Uint8Array, at: number) => (at === 300 ? chunk.map((byte) => byte ^ 1) : chunk),
  ],
  ["a piece is missing", (chunk: Uint8Array, at: number) => (at === 300 ? new Uint8Array(1) : chunk)],
  ["the member is lost", (chunk: Uint8Array, at: number) => (at === 300 ? undefined : chunk)],
])("if %s, nothing is kept", async (_how, spoil) => {
  const key = clusterKey({ name: "spoilt", id: "b".repeat(32), size: 1, locations: "", jurisdiction: "", room: "" });
  const store = new BackupStore(own.BACKUPS, key);
  await expect(store.write(snapshotOf(12 * 1024 * 1024, spoil), Date.now())).rejects.toThrow(
    /damaged on its way|was lost/,
  );
  expect(await store.list()).toEqual([]);
});
