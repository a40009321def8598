/**
 * The connection to a database. Browsers close it: Safari in the background, and every browser when the user clears the
 * site's data. It is opened again at once, to find out which of the two happened.
 */
import { openDatabase, replacedError } from "./indexeddb-database.ts";
import type { Database, StoreName, Writing } from "./indexeddb-database.ts";
import { guard } from "./indexeddb-fence.ts";
import type { FenceKey } from "./indexeddb-fence.ts";
import type { Loaded } from "./indexeddb-load.ts";
import type { Guard } from "./indexeddb-writing.ts";
import { StorageError } from "../storage-error.ts";

export interface ConnectionEvents {
  /** Called when the connection was opened, or found to be closed: there may be work to do. */
  readonly changed: () => void;
  /** Called when the browser closed the connection. A transaction in flight may never get an event of its own. */
  readonly closed: () => void;
  /** Called when the connection cannot be used any more, permanently. */
  readonly failed: (error: unknown) => void;
}

export interface Begun {
  readonly transaction: Writing;
  readonly guard: Guard;
}

export class Connection {
  readonly #name: string;
  readonly #fenceKey: FenceKey;
  readonly #events: ConnectionEvents;
  /** undefined after the browser closed it. */
  #database: Database | undefined;
  #isOpening: boolean = false;
  #isClosed: boolean = false;

  constructor(name: string, { database, fenceKey }: Pick<Loaded, "database" | "fenceKey">, events: ConnectionEvents) {
    this.#name = name;
    this.#fenceKey = fenceKey;
    this.#events = events;
    this.#adopt(database);
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /**
   * Returns undefined if the connection turns out to be closed. It is then opened again, and the caller keeps its work.
   */
  begin(stores: readonly StoreName[]): Begun | undefined {
    try {
      const transaction = this.#database?.transaction([...stores], "readwrite", { durability: "strict" });
      if (transaction === undefined) return undefined;
      const refused = (): void => this.#events.failed(replacedError());
      return { transaction, guard: () => guard(transaction, this.#fenceKey, refused) };
    } catch (error) {
      this.#database = undefined;
      if (error instanceof DOMException && error.name === "InvalidStateError") this.#events.changed();
      else this.#events.failed(error);
      return undefined;
    }
  }

  /** Opens the connection again. `check` rejects if the database does not hold the last confirmed write. */
  async reopen(check: (database: Database) => Promise<void>): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    try {
      const database = await openDatabase(this.#name);
      await check(database);
      if (this.#isClosed) database.close();
      else this.#adopt(database);
    } catch (error) {
      this.#events.failed(error);
    }
    this.#isOpening = false;
    this.#events.changed();
  }

  /** Closes permanently. */
  close(): void {
    this.#isClosed = true;
    this.#database?.close();
    this.#database = undefined;
  }

  #adopt(database: Database): void {
    this.#database = database;
    database.addEventListener("close", () => {
      if (this.#database !== database) return;
      this.#database = undefined;
      this.#events.closed();
    });
    database.addEventListener("versionchange", () => {
      this.#events.failed(new StorageError("lost", "another page deletes or upgrades this member's database"));
    });
  }
}
