import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { bytes, text } from "../../../src/client/app/codec.ts";
import { ConflictError, InvalidValueError } from "../../../src/client/app/errors.ts";
import type { Namespace } from "../../../src/client/app/namespace.ts";
import type { StandardSchema } from "../../../src/client/app/schema.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf, keysOf } from "./kit.ts";

interface Flag {
  readonly on: boolean;
}

/** As zod and its like make it: refuses what is no flag. */
const flagSchema: StandardSchema<unknown, Flag> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as Partial<Flag> | null)?.on === "boolean"
        ? { value: value as Flag }
        : { issues: [{ message: "on is a boolean", path: ["on"] }] },
  },
};

let served: ServedMember;
let client: ApplicationClient;
let flags: Namespace<Flag>;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());
beforeEach(async () => {
  client = clientOf(served);
  flags = client.namespace("flags/", { schema: flagSchema });
  await client.kv.deleteRange("", { prefix: true });
});

describe("a namespace", () => {
  test("keeps typed values under keys relative to its prefix", async () => {
    const put = await flags.put("dark", { on: true });
    expect(await flags.get("dark")).toEqual(put);
    expect(put).toMatchObject({ key: "dark", value: { on: true }, version: 1, etag: String(put.revision), lease: "0" });
    const { kvs } = await client.kv.range("flags/dark");
    expect(client.toText(kvs[0]?.value ?? new Uint8Array(0))).toBe('{"on":true}');
    expect(await flags.get("absent")).toBeUndefined();
  });

  test("create puts only where nothing is, and returns what is there", async () => {
    const first = await flags.create("dark", { on: true });
    const second = await flags.create("dark", { on: false });
    expect(first).toMatchObject({ created: true, entry: { value: { on: true }, version: 1 } });
    expect(second).toEqual({ created: false, entry: first.entry });
  });

  test("put and delete with ifMatch reject with ConflictError when another client was faster, and write nothing", async () => {
    const { etag } = await flags.put("dark", { on: true });
    await flags.put("dark", { on: false });
    await expect(flags.put("dark", { on: true }, { ifMatch: etag })).rejects.toThrow(ConflictError);
    await expect(flags.delete("dark", { ifMatch: etag })).rejects.toThrow(ConflictError);
    const now = await flags.get("dark");
    expect(now?.value).toEqual({ on: false });
    expect(await flags.delete("dark", { ifMatch: now?.etag })).toBe(true);
    expect(await flags.delete("dark")).toBe(false);
    await expect(flags.put("dark", { on: true }, { ifMatch: '"7"' })).rejects.toThrow("etag");
  });

  test("update is a compare-and-set loop: of many at once none is lost", async () => {
    const counter = client.namespace<number>("counter/");
    await Promise.all(Array.from({ length: 12 }, () => counter.update("n", (n = 0) => n + 1)));
    expect((await counter.get("n"))?.value).toBe(12);
    expect(await counter.update("n", () => undefined)).toBeUndefined();
    expect(await counter.get("n")).toBeUndefined();
    expect(await counter.update("n", () => undefined)).toBeUndefined();
  });

  test("update keeps the lease that the key has", async () => {
    const { id } = await client.lease.grant(60);
    await flags.put("dark", { on: true }, { lease: id });
    expect(await flags.update("dark", ({ on } = { on: false }) => ({ on: !on }))).toMatchObject({ lease: id });
    await client.lease.revoke(id);
    expect(await flags.get("dark")).toBeUndefined();
  });

  test("list and entries are of one revision, over pages too, and other prefixes are not theirs", async () => {
    await client.kv.put("flags0", "a neighbour");
    await client.kv.put("flag", "another");
    for (let at = 0; at < 7; at++) await flags.put(`f${at}`, { on: at % 2 === 0 });
    const { entries, revision } = await flags.list();
    expect(entries.map(({ key }) => key)).toEqual(["f0", "f1", "f2", "f3", "f4", "f5", "f6"]);
    expect(revision).toBe(entries.at(-1)?.revision);
    const seen: string[] = [];
    for await (const { key } of flags.entries({ pageSize: 2 })) {
      // Written while the pages are read, and so of a later revision than they are.
      if (key === "f1") await flags.delete("f5");
      seen.push(key);
    }
    expect(seen).toEqual(["f0", "f1", "f2", "f3", "f4", "f5", "f6"]);
  });

  test("a namespace of everything, and one within another", async () => {
    await client.namespace("", { codec: text }).put("top", "1");
    await flags.namespace<string>("inner/", { codec: text }).put("a", "x");
    const all = await client.namespace("", { codec: text }).list();
    expect(all.entries.map(({ key }) => key)).toEqual(["flags/inner/a", "top"]);
  });

  test("a schema refuses a value before it is written, and names the key of one that is stored", async () => {
    await expect(flags.put("dark", { on: "yes" } as unknown as Flag)).rejects.toThrow(InvalidValueError);
    expect(await flags.get("dark")).toBeUndefined();
    await client.kv.put("flags/odd", '{"on":1}');
    await client.kv.put("flags/broken", "{");
    await flags.put("good", { on: true });
    await expect(flags.get("odd")).rejects.toThrow('"odd" is not valid: on is a boolean');
    const { entries, invalid } = await flags.list();
    expect(entries.map(({ key }) => key)).toEqual(["good"]);
    expect(keysOf(invalid)).toEqual(["broken", "odd"]);
  });

  test("a codec of bytes keeps every byte", async () => {
    const raw = client.namespace("raw/", { codec: bytes });
    const value = new Uint8Array([0, 0xff, 0x80]);
    await raw.put("a", value);
    expect((await raw.get("a"))?.value).toEqual(value);
  });

  test("an aborted signal ends a call before it is sent", async () => {
    const signal = AbortSignal.abort(new Error("not any more"));
    await expect(flags.put("dark", { on: true }, { signal })).rejects.toThrow("not any more");
    expect(await flags.get("dark")).toBeUndefined();
  });
});
