/**
 * The connection to a database. Browsers close it (Safari does in the background, and every browser does when the user
 * clears the site's data). It is opened again at once, to find out which of the two it was.
 */
import { openDatabase } from "./indexeddb-database.ts";
import type { Database, StoreName, Writing } from "./indexeddb-database.ts";
import { StorageError } from "../storage-error.ts";

export interface ConnectionEvents {
  /** It was opened, or found to be closed: there may be something to do. */
  readonly changed: () => void;
  /** The browser closed it. A transaction in flight may never get an event of its own. */
  readonly closed: () => void;
  /** It must not be used any more, for good. */
  readonly failed: (error: unknown) => void;
}

export class Connection {
  readonly #name: string;
  readonly #events: ConnectionEvents;
  /** undefined: it was taken away. */
  #database: Database | undefined;
  #isOpening: boolean = false;
  #isClosed: boolean = false;

  constructor(name: string, database: Database, events: ConnectionEvents) {
    this.#name = name;
    this.#events = events;
    this.#adopt(database);
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** undefined when the connection turns out to be gone: it is opened again, and the work is still there to be done. */
  begin(stores: readonly StoreName[]): Writing | undefined {
    try {
      return this.#database?.transaction([...stores], "readwrite", { durability: "strict" });
    } catch (error) {
      this.#database = undefined;
      if (error instanceof DOMException && error.name === "InvalidStateError") this.#events.changed();
      else this.#events.failed(error);
      return undefined;
    }
  }

  /** `check` rejects when what it finds is not what was written. */
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

  /** For good. */
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
