/** The outbox before it is used: what can be said at once. All else is loaded with the first call. */
import { Store } from "../common/store.ts";
import type { WriteCall } from "./new-entry.ts";
import type { OpenedOutbox, OutboxHost } from "./open-outbox.ts";
import type { Outbox, OutboxHandler, OutboxOptions, OutboxSnapshot, QueuedWrite } from "./outbox-types.ts";
import type { OutboxVerdict } from "./verdict.ts";

/** With what the layers above need of it. */
export interface LazyOutbox extends Outbox {
  /** Queues a write that is still being encoded, behind those that were queued before. */
  queue(call: WriteCall | Promise<WriteCall>): QueuedWrite;
  /** Opens it. Rejects with EtcdError. */
  open(): Promise<OpenedOutbox>;
}

const ID_BYTES = 12;
const EMPTY: OutboxSnapshot = { entries: [], pending: 0, state: "opening", reason: "" };

export function lazyOutbox(host: OutboxHost, options: OutboxOptions = {}): LazyOutbox {
  const snapshots = new Store<OutboxSnapshot>(EMPTY);
  const handlers = new Map<string, OutboxHandler>();
  let opened: Promise<OpenedOutbox> | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const load = async (): Promise<OpenedOutbox> => {
    try {
      const code = await import("./open-outbox.ts");
      const outbox = await code.openOutbox(host, options, snapshots, handlers);
      return outbox;
    } catch (error) {
      opened = undefined;
      snapshots.set({ ...EMPTY, state: "failed", reason: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  };
  const open = (): Promise<OpenedOutbox> => (opened ??= load());
  /** Where nobody waits for it, the snapshot says what went wrong. */
  const begin = (): void => void open().catch(() => {});

  const queue = (call: WriteCall | Promise<WriteCall>): QueuedWrite => {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), hex).join("");
    const before = turn;
    // It may be refused before its turn comes.
    if (call instanceof Promise) call.catch(() => {});
    const handed = (async () => {
      await before;
      const { add } = await open();
      // In an object, so that the next write need not wait until this one is stored.
      return { stored: add(id, await call) };
    })();
    turn = handed.catch(() => {});
    const stored = handed.then((added) => added.stored);
    const verdict = stored.then(async (): Promise<OutboxVerdict> => (await open()).engine.verdictOf(id));
    // Callers need not handle both.
    stored.catch(() => {});
    verdict.catch(() => {});
    return { id, stored, verdict };
  };

  return {
    put: (key, value, given = {}) => queue(structuredClone({ type: "put", key, value, options: given })),
    delete: (key, given = {}) => queue(structuredClone({ type: "delete", key, options: given })),
    txn: (txn) => queue(structuredClone({ type: "txn", options: txn })),
    update: (key, handler, given = {}) => queue(structuredClone({ type: "update", key, handler, options: given })),
    handle(name, handler) {
      handlers.set(name, handler);
      begin();
      opened?.then(({ engine }) => engine.wake()).catch(() => {});
      return () => {
        if (handlers.get(name) === handler) handlers.delete(name);
      };
    },
    get entries() {
      return snapshots.getSnapshot().entries;
    },
    getSnapshot: snapshots.getSnapshot,
    subscribe(listener) {
      begin();
      return snapshots.subscribe(listener);
    },
    discard: async (id) => (await open()).engine.discard(id),
    dismiss: async (id) => (await open()).engine.dismiss(id),
    queue,
    open,
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
