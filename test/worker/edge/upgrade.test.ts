/** A store that an earlier Quorate wrote: its tables, row by row, as commit c8237f1 left them (test/worker/fixtures). */
import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../../src/base/text-codes.ts";
import { openDurableObjectStorage } from "../../../src/storage/durable-object/durable-object.ts";
import { SCHEMA, type Schema } from "../../../src/storage/sqlite/sql-schema.ts";
import { StorageError } from "../../../src/storage/storage-error.ts";
import text from "../fixtures/schema-1.json?raw";
import { other, SETUP_TOKEN } from "../support/other-cluster.ts";

type Cell = string | number | null | { readonly hex: string };

interface Written {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly clusterId: string;
  readonly memberId: string;
  readonly statements: readonly string[];
  readonly rows: Readonly<Record<string, readonly (readonly Cell[])[]>>;
}

const written = JSON.parse(text) as Written;
const { TEST_STORE, OTHER_MEMBERS } = env as unknown as Readonly<Record<string, DurableObjectNamespace>>;

function fill({ sql }: DurableObjectStorage): void {
  for (const statement of written.statements) sql.exec(statement);
  for (const [table, rows] of Object.entries(written.rows)) {
    for (const row of rows) {
      const cells = row.map((cell) => (typeof cell === "object" && cell !== null ? (fromHex(cell.hex) ?? null) : cell));
      sql.exec(`INSERT INTO "${table}" VALUES (${row.map(() => "?").join(", ")})`, ...(cells as SqlStorageValue[]));
    }
  }
}

function stored({ sql }: DurableObjectStorage): unknown {
  const tables = sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name LIKE 'quorate%' ORDER BY name")
    .toArray();
  return tables.map(({ name }) => [name, sql.exec(`SELECT * FROM "${name}"`).toArray()]);
}

async function inStore(name: string, run: (storage: DurableObjectStorage) => Promise<void> | void): Promise<void> {
  const namespace = TEST_STORE as DurableObjectNamespace;
  await runInDurableObject(namespace.get(namespace.idFromName(name)), (_object, { storage }) => run(storage));
}

test("a member goes on with it: identity, hash, history, leases, users", async () => {
  const namespace = OTHER_MEMBERS as DurableObjectNamespace;
  const stub = namespace.get(namespace.idFromName("other/1"));
  await runInDurableObject(stub, (_object, { storage }) => fill(storage));
  const call = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${SETUP_TOKEN}` };
    const request = new Request(`http://edge/other/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers,
    });
    return (await other.fetch(request, env, { waitUntil: () => {} })).json();
  };
  expect(await call("maintenance/hashkv", { revision: written.revision })).toMatchObject({
    header: { cluster_id: written.clusterId, member_id: written.memberId, revision: String(written.revision) },
    hash: written.hash,
    compact_revision: String(written.compactRevision),
  });
  const old = await call("kv/range", { key: btoa("key/1"), revision: 46 });
  expect(old).toMatchObject({ kvs: [{ value: btoa("again2"), version: "3" }] });
  expect(await call("kv/range", { key: btoa("key/1"), revision: 19 })).toMatchObject({ code: 11 });
  expect(await call("lease/timetolive", { ID: 77, keys: true })).toMatchObject({ keys: [btoa("leased")] });
  expect(await call("auth/user/get", { name: "alice" })).toMatchObject({ roles: ["r"] });
  const put = await call("kv/put", { key: btoa("new"), value: btoa("1") });
  expect(put).toMatchObject({ header: { revision: String(written.revision + 1) } });
});

describe("a step to a later version", () => {
  const next: Schema = {
    version: SCHEMA.version + 2,
    steps: {
      [SCHEMA.version]: (sql) => void sql.exec("CREATE TABLE quorate_later (name TEXT PRIMARY KEY) WITHOUT ROWID"),
      [SCHEMA.version + 1]: (sql) => void sql.exec("INSERT INTO quorate_later VALUES ('x')"),
    },
  };

  test("is made once, with all steps between, and the next opening finds it done", async () => {
    await inStore("migrated", async (storage) => {
      fill(storage);
      const told: object[] = [];
      const open = async (): Promise<void> => {
        const opened = openDurableObjectStorage(storage, { schema: next, onMigrated: (each) => told.push(each) });
        expect(opened.identity?.memberId.toString()).toBe(written.memberId);
        await opened.close();
      };
      await open();
      await open();
      expect(told).toEqual([{ from: SCHEMA.version, to: SCHEMA.version + 2 }]);
      expect(storage.sql.exec("SELECT * FROM quorate_later").toArray()).toEqual([{ name: "x" }]);
    });
  });

  test("that fails changes nothing: neither its own rows nor those of the step before it", async () => {
    await inStore("failed", (storage) => {
      fill(storage);
      const before = stored(storage);
      const steps = {
        ...next.steps,
        [SCHEMA.version + 1]: () => {
          throw new Error("no room");
        },
      };
      expect(() => openDurableObjectStorage(storage, { schema: { ...next, steps } })).toThrow("no room");
      const missing = { ...next, steps: { [SCHEMA.version]: next.steps[SCHEMA.version] ?? (() => {}) } };
      expect(() => openDurableObjectStorage(storage, { schema: missing })).toThrow(
        "there is no way from schema 2 to 3",
      );
      expect(stored(storage)).toEqual(before);
    });
  });

  test("is refused by an older Quorate by its number, which touches nothing", async () => {
    await inStore("newer", async (storage) => {
      fill(storage);
      await openDurableObjectStorage(storage, { schema: next }).close();
      const before = stored(storage);
      expect(() => openDurableObjectStorage(storage)).toThrow(
        new StorageError("version", "this object's storage has schema 3, and this version of Quorate knows 1 only"),
      );
      expect(stored(storage)).toEqual(before);
    });
  });
});
