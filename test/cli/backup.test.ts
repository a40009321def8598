/** `quorate backup`, in front of an endpoint that serves files as the worker's routes do (test/worker/backup). */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";

const NAME = "2026-11-28T03-17-00.000Z.db";

let member: ServedMember;
let server: Server;
let endpoint: string;
let snapshot: Uint8Array;
/** What the next `get` returns. */
let served: Uint8Array;
let asked: string[] = [];

beforeAll(async () => {
  member = await serveMember();
  await quorate(member.endpoint, ["put", "k", "v"]);
  const blobs: Uint8Array[] = [];
  const stream = member.services.maintenance.snapshot({}, { token: "", requireLeader: false });
  for await (const { blob } of stream) blobs.push(blob);
  snapshot = Buffer.concat(blobs);
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname.endsWith("/quorate/backups/get")) response.end(served);
    else if (pathname.endsWith("/quorate/backups/list")) {
      response.end(JSON.stringify({ backups: [{ name: NAME, bytes: snapshot.length }] }));
    } else if (pathname.endsWith("/quorate/backups/now")) {
      response.end(JSON.stringify({ name: NAME, bytes: snapshot.length }));
    } else {
      response.statusCode = 412;
      response.end(JSON.stringify({ code: 9, message: "the cluster is not empty" }));
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await member.close();
  server.close();
});
beforeEach(() => {
  asked = [];
  served = snapshot;
});

test("list and now ask the chosen cluster, with the token", async () => {
  const list = await quorate(endpoint, ["backup", "list", "--cluster", "acme", "--token", "t"]);
  expect(list).toMatchObject({ code: 0, out: expect.stringContaining(NAME) as string });
  expect((await quorate(endpoint, ["backup", "now", "--json"])).out).toContain(`"name":"${NAME}"`);
  expect(asked).toEqual(["POST /c/acme/quorate/backups/list Bearer t", "POST /quorate/backups/now -"]);
});

test("restore sends a whole backup to the other cluster, with that one's token and no other", async () => {
  const args = [
    "backup",
    "restore",
    NAME,
    "--token",
    "source",
    "--into",
    `${endpoint}/c/again`,
    "--into-token",
    "target",
  ];
  const { code, err } = await quorate(endpoint, args, { env: { QUORATE_CLUSTER: "acme", QUORATE_USER: "" } });
  expect([code, err]).toEqual([3, "quorate: the cluster is not empty (FailedPrecondition)\n"]);
  expect(asked).toEqual([
    `POST /c/acme/quorate/backups/get?name=${NAME} Bearer source`,
    "POST /c/again/quorate/restore/begin? Bearer target",
  ]);
});

test.each([
  ["a byte is wrong", (bytes: Uint8Array) => bytes.map((byte, at) => (at === 9_000 ? byte ^ 1 : byte))],
  ["its end is missing", (bytes: Uint8Array) => bytes.subarray(0, -4096)],
  ["it is empty", () => new Uint8Array()],
  ["it is something else", () => new TextEncoder().encode("x".repeat(9_999))],
])("a backup of which %s is refused whole: the other cluster is never asked", async (_how, damage) => {
  served = damage(snapshot);
  const { code, err } = await quorate(endpoint, ["backup", "restore", NAME, "--into", `${endpoint}/c/again`]);
  expect([code, err]).toEqual([1, expect.stringContaining("backup.db: ")]);
  expect(asked).toEqual([`POST /quorate/backups/get?name=${NAME} -`]);
});

test.each([[["backup"]], [["backup", "list", "x"]], [["backup", "restore"]], [["backup", "restore", NAME]]])(
  "%j is a usage error",
  async (args) => {
    expect((await quorate(endpoint, args)).code).toBe(2);
    expect(asked).toEqual([]);
  },
);
