/** What an application sees of its outbox. */
import type { Compare, RequestOp } from "../facade/txn.ts";
import type { Bytes, Id, KeyRange } from "../common/types.ts";
import type { OutboxStore } from "./outbox-store.ts";
import type { OutboxVerdict } from "./verdict.ts";

/** A queued write, and what became of it. */
export interface OutboxEntry {
  readonly id: string;
  /** Milliseconds since 1970 by this device's clock, when the write was queued. */
  readonly queuedAt: number;
  /** After this time the write is not sent any more. */
  readonly expiresAt: number;
  /** Keys that the write puts or deletes; of a deleted range its first. */
  readonly keys: readonly Uint8Array[];
  /** True once the write may have reached the cluster. */
  readonly isSent: boolean;
  /** Undefined while the write is pending. */
  readonly verdict: OutboxVerdict | undefined;
}

/** What an outbox is doing. */
export type OutboxState =
  /** Nothing has used the outbox yet, or it is being read. */
  | "opening"
  /** Nothing is pending. */
  | "idle"
  | "sending"
  /** Writes are pending and cannot be sent now; `reason` says why. */
  | "waiting"
  /** Another tab of this browser profile sends. */
  | "elsewhere"
  /** The outbox cannot be read or written; `reason` says why. */
  | "failed"
  | "closed";

/** The outbox as it is now. A new object for each change. */
export interface OutboxSnapshot {
  /** Pending writes and those whose verdict is kept, in the order in which they were queued. */
  readonly entries: readonly OutboxEntry[];
  /** Number of entries without a verdict. */
  readonly pending: number;
  readonly state: OutboxState;
  /** For users; empty while there is nothing to say. */
  readonly reason: string;
}

/** Returned at once by each call that queues a write. */
export interface QueuedWrite {
  readonly id: string;
  /**
   * Resolves when the write is on this device's disk: it survives a crash from then on. Rejects with OutboxFullError, and
   * with EtcdError (InvalidArgument) for a write that is none.
   */
  readonly stored: Promise<void>;
  /** Resolves with the verdict, however long that takes. Rejects if the write was not stored, or the client is closed. */
  readonly verdict: Promise<OutboxVerdict>;
}

/** Options of each call that queues a write. */
export interface QueueOptions {
  /**
   * Milliseconds after which the write is not sent any more. Default, and maximum: `markerTtl`. By this device's clock.
   */
  readonly expiresIn?: number | undefined;
}

/** Options of `outbox.put`. */
export interface QueuedPutOptions extends QueueOptions {
  /** Writes only if the key still has this etag (its mod revision); "0": only if it does not exist. */
  readonly ifMatch?: string | undefined;
  /** Attaches the key to this lease. A lease that has ended meanwhile gets the write refused. */
  readonly lease?: Id | undefined;
  /**
   * Name of a handler (`handle`) that is asked when `ifMatch` does not hold: it returns the value to put instead, given
   * the current one. Without it the write is refused then.
   */
  readonly onConflict?: string | undefined;
  /** Handed to the handler. Any structured-cloneable value. */
  readonly args?: unknown;
}

/** Options of `outbox.delete`. */
export interface QueuedDeleteOptions extends QueueOptions, KeyRange {
  readonly ifMatch?: string | undefined;
}

/** Options of `outbox.update`. */
export interface QueuedUpdateOptions extends QueueOptions {
  /** Handed to the handler. Any structured-cloneable value. */
  readonly args?: unknown;
}

/** Puts and deletes that are executed together if all comparisons hold. */
export interface QueuedTxn extends QueueOptions {
  /** All must hold; otherwise the write is refused. */
  readonly compare?: readonly Compare[] | undefined;
  /** Puts and deletes. */
  readonly success: readonly RequestOp[];
}

/** What a handler is told beside the current value. */
export interface HandlerContext<Value = Uint8Array> {
  /** The key, without the prefix in a namespace's handler. */
  readonly key: string;
  /** The value that the queued put meant to write; undefined for `update`. */
  readonly intended: Value | undefined;
  readonly args: unknown;
}

/**
 * Computes what to write from the current value (undefined: there is no such key). Returns undefined to delete the key,
 * null to drop the write, which is then refused. It may be called several times and has no other effect. An error that it
 * throws gets the write refused.
 */
export type OutboxHandler = (
  current: Uint8Array | undefined,
  context: HandlerContext,
) => Bytes | undefined | null | Promise<Bytes | undefined | null>;

/** Settings of `client.outbox`. */
export interface OutboxOptions {
  /** Default: IndexedDB, which Node lacks. */
  readonly store?: OutboxStore | undefined;
  /**
   * Tells outboxes of one endpoint apart, such as those of several users whose tokens come from elsewhere. Default: the
   * name of `user`, or nothing.
   */
  readonly name?: string | undefined;
  /**
   * Prefix of the key, one per browser profile, by which a write is executed once. The user needs to read and write
   * below it. Default "quorate/outbox/".
   */
  readonly markerPrefix?: string | undefined;
  /**
   * Seconds that the marker outlives the last time it was used, and so the longest time that a write may wait. Default
   * 30 days.
   */
  readonly markerTtl?: number | undefined;
  /** Number of writes that the outbox holds. Default 20,000. */
  readonly entriesMax?: number | undefined;
  /** Bytes of keys and values that the outbox holds. Default 32 MiB. */
  readonly bytesMax?: number | undefined;
}

/**
 * Writes that survive reload and crash and are sent when the cluster is there: in order, and each exactly once.
 *
 * It opens with the first call, `handle` and `subscribe` included. Until then nothing is loaded, and what an earlier page
 * left pending is not sent.
 */
export interface Outbox {
  /** Queues a put. */
  put(key: Bytes, value: Bytes, options?: QueuedPutOptions): QueuedWrite;
  /** Queues the deletion of a key, or of the range that `options` defines. */
  delete(key: Bytes, options?: QueuedDeleteOptions): QueuedWrite;
  /** Queues puts and deletes that are executed together, at one revision, or not at all. */
  txn(txn: QueuedTxn): QueuedWrite;
  /** Queues a change of the value that the key has when the write is sent, computed by the handler of this name. */
  update(key: string, handler: string, options?: QueuedUpdateOptions): QueuedWrite;
  /**
   * Registers a function under a name, because functions cannot be stored: after a reload the application registers it
   * again. A write whose handler is missing waits, and with it those behind it. Returns a function that removes it.
   */
  handle(name: string, handler: OutboxHandler): () => void;
  /** Pending writes and those whose verdict is kept. */
  readonly entries: readonly OutboxEntry[];
  /** The same object until something changes. */
  readonly getSnapshot: () => OutboxSnapshot;
  readonly subscribe: (listener: () => void) => () => void;
  /** Gives a pending write up: its verdict becomes "expired", unless it turns out to be committed. */
  discard(id: string): Promise<void>;
  /**
   * Removes the verdict with this id, or all verdicts. A refused or expired write stays until then, since it holds what
   * somebody wrote; of the committed ones the newest 1,000 stay.
   */
  dismiss(id?: string): Promise<void>;
}
