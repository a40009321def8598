import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { storeContract } from "../contract/store.ts";

storeContract("memory", () => ({ tables: new MemoryTables() }));
