import { expect, test } from "vitest";
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import { KeyList, PAGE_KEYS } from "../../web/model/key-list.ts";
import { Cluster } from "../member/support/cluster.ts";

/** Real services of a member that is alone; its clock is moved by whoever waits. */
async function memberWith(keys: readonly string[]) {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  const client = createClient(createServices(node.member));
  for (const key of keys) await cluster.settled(client.kv.put(key, `value of ${key}`));
  return { cluster, client };
}

function listOf(client: Client): { readonly list: KeyList; readonly shown: () => Promise<void> } {
  const waiting: (() => void)[] = [];
  const list = new KeyList({
    client,
    serializable: true,
    refreshMs: 0,
    onChange: () => waiting.splice(0).forEach((wake) => wake()),
    after: (_, run) => void setImmediate(run),
  });
  return { list, shown: () => new Promise((resolve) => waiting.push(resolve)) };
}

const names = (list: KeyList): readonly string[] =>
  list.page?.kvs.map(({ key }) => new TextDecoder().decode(key)) ?? [];
const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `key/${String(at).padStart(3, "0")}`);

test("pages follow each other without a gap, and know how far they are", async () => {
  const all = numbered(PAGE_KEYS * 2 + 5);
  const { client } = await memberWith(all);
  const { list, shown } = listOf(client);
  const seen: string[] = [];
  list.first();
  for (;;) {
    await shown();
    expect(list.page?.skipped).toBe(seen.length);
    expect(list.page?.total).toBe(all.length);
    seen.push(...names(list));
    if (list.page?.hasNext !== true) break;
    list.next();
  }
  expect(seen).toEqual(all);
  list.previous();
  await shown();
  expect(names(list)[0]).toBe(all[PAGE_KEYS]);
});

test("a prefix shows its keys alone, and begins at the first page", async () => {
  const { client } = await memberWith(["a", "key/1", "key/2", "kez"]);
  const { list, shown } = listOf(client);
  list.setPrefix("key/");
  await shown();
  expect(names(list)).toEqual(["key/1", "key/2"]);
  expect(list.page).toMatchObject({ skipped: 0, total: 2, hasNext: false, hasPrevious: false });
});

test("a later revision is read at once, an earlier one is no news", async () => {
  const { cluster, client } = await memberWith(["a"]);
  const { list, shown } = listOf(client);
  list.first();
  await shown();
  const { header } = await cluster.settled(client.kv.put("b", "1"));
  list.changed(header.revision);
  await shown();
  expect(names(list)).toEqual(["a", "b"]);
  const page = list.page;
  list.changed(header.revision);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(list.page).toBe(page);
});

test("a page whose keys are all gone gives way to the one before", async () => {
  const { cluster, client } = await memberWith(numbered(PAGE_KEYS + 1));
  const { list, shown } = listOf(client);
  list.first();
  await shown();
  list.next();
  await shown();
  expect(names(list)).toHaveLength(1);
  const { header } = await cluster.settled(client.kv.deleteRange(`key/${String(PAGE_KEYS).padStart(3, "0")}`));
  list.changed(header.revision);
  await shown();
  await shown();
  expect(names(list)).toHaveLength(PAGE_KEYS);
  expect(list.page?.hasPrevious).toBe(false);
});

test("a read that fails says why, keeps what is shown, and is tried again", async () => {
  const { client } = await memberWith(["a"]);
  let isBroken = false;
  const kv = {
    ...client.kv,
    range: (...args: Parameters<Client["kv"]["range"]>) =>
      isBroken ? Promise.reject(new Error("no member")) : client.kv.range(...args),
  };
  const { list, shown } = listOf({ ...client, kv });
  list.first();
  await shown();
  isBroken = true;
  list.first();
  await shown();
  expect(list.error).toBe("no member");
  expect(names(list)).toEqual(["a"]);
  isBroken = false;
  await shown();
  expect(list.error).toBeUndefined();
});
