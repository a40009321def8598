/** Rights that are revoked while the member of an open watch is not in memory. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, expect, test } from "vitest";
import { edge, stubOf } from "../support/edge-kit.ts";
import { JsonSocket } from "../support/json-socket.ts";

const MEMBERS = [1, 2, 3];

let root = "";
let sockets: JsonSocket[] = [];
let users = 0;

interface Answer {
  readonly header: { readonly revision: string };
  readonly token?: string;
}

async function ask(path: string, body: object, token = root): Promise<Answer> {
  const headers = { authorization: token };
  const response = await edge(path, {
    method: "POST",
    body: JSON.stringify(body),
    ...(token === "" ? {} : { headers }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as Answer;
}

async function tokenOf(name: string, password: string): Promise<string> {
  return (await ask("/v3/auth/authenticate", { name, password }, "")).token ?? "";
}

const READ = { permType: "READ", key: btoa("right/"), range_end: btoa("right0") };

beforeAll(async () => {
  await ask("/v3/auth/user/add", { name: "root", password: "r" });
  await ask("/v3/auth/user/grant", { user: "root", role: "root" });
  await ask("/v3/auth/enable", {});
  root = await tokenOf("root", "r");
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
  sockets = [];
});

/** A user with a role of its own, and its watch on member 1. */
async function watching(): Promise<{ readonly socket: JsonSocket; readonly user: string; readonly role: string }> {
  const [user, role] = [`user-${++users}`, `role-${users}`];
  await ask("/v3/auth/role/add", { name: role });
  await ask("/v3/auth/role/grant", { name: role, perm: READ });
  await ask("/v3/auth/user/add", { name: user, password: "p" });
  await ask("/v3/auth/user/grant", { user, role });
  const socket = await JsonSocket.open("/m/1/v3/watch", await tokenOf(user, "p"));
  sockets.push(socket);
  socket.send({ create_request: { key: READ.key, range_end: READ.range_end } });
  await socket.until(1);
  expect(socket.heard[0]?.result).toMatchObject({ created: true });
  await put("right/before");
  await socket.until(2);
  return { socket, user, role };
}

/** As etcd's clients do: a token is older than the last change of the rights. */
async function put(key: string): Promise<Answer> {
  for (;;) {
    root = await tokenOf("root", "r");
    try {
      return await ask("/m/2/v3/kv/put", { key: btoa(key), value: btoa("secret") });
    } catch (error) {
      if (!String(error).includes("revision of auth store is old")) throw error;
    }
  }
}

async function evicted(): Promise<void> {
  const isSaved = (): Promise<boolean> =>
    runInDurableObject(stubOf(1), (_object, ctx) =>
      ctx
        .getWebSockets()
        .filter(({ readyState }) => readyState === WebSocket.OPEN)
        .every((socket) => (socket.deserializeAttachment() as { saved?: object }).saved !== undefined),
    );
  while (!(await isSaved())) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const number of MEMBERS) await evictDurableObject(stubOf(number));
  // Simple tokens are in memory, as etcd's are.
  root = await tokenOf("root", "r");
}

function heardKeys({ heard }: JsonSocket): readonly string[] {
  return heard.flatMap(({ result }) => result?.events ?? []).map(({ kv }) => atob(kv.key));
}

test.each([
  ["the user is deleted", (user: string) => ask("/m/3/v3/auth/user/delete", { name: user })],
  ["its role is revoked", (user: string, role: string) => ask("/m/3/v3/auth/user/revoke", { name: user, role })],
  ["its role is deleted", (_user: string, role: string) => ask("/m/3/v3/auth/role/delete", { role })],
  [
    "the role loses the permission",
    (_user: string, role: string) =>
      ask("/m/3/v3/auth/role/revoke", { role, key: READ.key, range_end: READ.range_end }),
  ],
  [
    "the user is deleted, and another one gets its name",
    async (user: string) => {
      await ask("/m/3/v3/auth/user/delete", { name: user });
      await ask("/m/3/v3/auth/user/add", { name: user, password: "other" });
    },
  ],
])("a watch whose member sleeps while %s is cancelled, and sees nothing more", async (_what, revoke) => {
  const { socket, user, role } = await watching();
  await evicted();
  await revoke(user, role);
  await put("right/after");
  await socket.until(3);
  await put("right/later");
  await ask("/m/1/v3/kv/range", { key: btoa("right/later") });
  expect(heardKeys(socket)).toEqual(["right/before"]);
  expect(socket.heard.slice(2).map(({ result }) => result)).toMatchObject([{ canceled: true }]);
});

test("a watch whose member sleeps while nothing of its user's rights changes goes on, also with another password", async () => {
  const { socket, user } = await watching();
  for (const key of ["right/one", "right/two"]) {
    await evicted();
    if (key === "right/two") await ask("/m/3/v3/auth/user/changepw", { name: user, password: "new" });
    const { length } = socket.heard;
    const { header } = await put(key);
    await socket.until(length + 1);
    expect(socket.heard.at(-1)?.result?.events?.map(({ kv }) => kv.mod_revision)).toEqual([header.revision]);
  }
  expect(heardKeys(socket)).toEqual(["right/before", "right/one", "right/two"]);
});

test("after the sleep the socket opens no watch in its user's name without its token", async () => {
  const { socket } = await watching();
  await evicted();
  socket.send({ create_request: { key: READ.key, range_end: READ.range_end } });
  await socket.until(3);
  expect(socket.heard.at(-1)?.result).toMatchObject({
    canceled: true,
    cancel_reason: expect.stringContaining("token"),
  });
});
