import { describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { openDurableObjectStorage, type DurableObjectStorageOptions } from "../../src/storage/durable-object.ts";
import { storageContract } from "../contract/storage.ts";
import {
  append,
  apply,
  batchOf,
  bootstrap,
  entriesOf,
  entry,
  flush,
  logOf,
  type StorageHome,
} from "../contract/storage-kit.ts";
import { nodeSqlite } from "./node-sqlite.ts";

function sqliteHome(options: DurableObjectStorageOptions): StorageHome {
  const disk = nodeSqlite();
  return {
    async visit(ending, use) {
      const storage = openDurableObjectStorage(disk, { timer: never, ...options });
      const result = await use(storage);
      if (ending === "close") await storage.close();
      disk.crash();
      return result;
    },
  };
}

function never(): () => void {
  return () => {};
}

storageContract("SQLite", () => sqliteHome({}));
storageContract("SQLite with tiny limits", () => sqliteHome({ flushRows: 3, backlogRows: 5, tailBytes: 200 }));
storageContract("SQLite that writes behind at once", () => sqliteHome({ flushRows: 1, backlogRows: 1, tailBytes: 0 }));
