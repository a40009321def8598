/**
 * Where queued writes are kept, and the contract that makes "exactly once" hold: what a promise of these methods has
 * confirmed is on the disk. Several tabs use one store at a time, and so do two senders when a lock is lost.
 *
 * `commit` is guarded by a version that every commit increments. A sender whose knowledge is old changes nothing.
 */
import type { Compare, RequestOp } from "../facade/txn.ts";
import type { OutboxVerdict } from "./verdict.ts";
import { OutboxFullError } from "./errors.ts";

/** A write whose operations are known when it is queued. */
export interface TxnWrite {
  readonly type: "txn";
  readonly compare: readonly Compare[];
  readonly operations: readonly RequestOp[];
  /** For a put of one key whose condition may fail. */
  readonly onConflict?: { readonly handler: string; readonly args: unknown } | undefined;
}

/** A write that a handler computes when it is sent. */
export interface UpdateWrite {
  readonly type: "update";
  readonly key: Uint8Array;
  readonly handler: string;
  readonly args: unknown;
}

export type StoredWrite = TxnWrite | UpdateWrite;

/** A write to be stored. */
export interface NewEntry {
  readonly id: string;
  readonly queuedAt: number;
  readonly expiresAt: number;
  readonly sizeBytes: number;
  readonly write: StoredWrite;
}

/** A stored write. */
export interface StoredEntry extends NewEntry {
  /** From 1, in the order in which writes are sent. */
  readonly seq: number;
  readonly verdict: OutboxVerdict | undefined;
}

/** The key in the cluster that says up to where the writes were decided. */
export interface OutboxIdentity {
  readonly key: string;
  readonly lease: string;
  /** The value that the key has, as far as this store knows. Each value is written once. */
  readonly marker: string;
  /** False until the key is known to exist. Nothing is sent before. */
  readonly isRegistered: boolean;
  /** When the lease was last kept alive; milliseconds since 1970. */
  readonly renewedAt: number;
}

/** What is stored once for an outbox. */
export interface OutboxMeta {
  readonly version: number;
  readonly nextSeq: number;
  /** Entries that count against the limits: all but the committed ones. */
  readonly count: number;
  readonly bytes: number;
  /** The highest seq that was ever sent. */
  readonly sentTo: number;
  readonly identity: OutboxIdentity | undefined;
}

/** How much an outbox holds. */
export interface OutboxLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** A change of what is stored, made as a whole or not at all. */
export interface OutboxChange {
  readonly sentTo?: number | undefined;
  /** Null: forgets it. */
  readonly identity?: OutboxIdentity | null | undefined;
  /** Replaces entries of the same seq. */
  readonly entries?: readonly StoredEntry[] | undefined;
  readonly removed?: readonly number[] | undefined;
  /** What is added to `count` and `bytes`. */
  readonly countDelta?: number | undefined;
  readonly bytesDelta?: number | undefined;
}

/** What a store returns. */
export interface OutboxData {
  readonly meta: OutboxMeta;
  /** In the order of their seq. */
  readonly entries: readonly StoredEntry[];
}

/** The disk of an outbox. An application gives its own where there is no IndexedDB. */
export interface OutboxStore {
  /** Returns the metadata, and the entries with `from <= seq < to`. Default: all. */
  read(from?: number, to?: number): Promise<OutboxData>;
  /**
   * Adds entries at the end, all or none, and returns the seq of the first. Durable when it resolves. Rejects with
   * OutboxFullError.
   */
  append(entries: readonly NewEntry[], limits: OutboxLimits): Promise<number>;
  /** Makes the change, if the stored version is still this one. Returns whether it did. Durable when it resolves. */
  commit(version: number, change: OutboxChange): Promise<boolean>;
  /** Called when the store is lost: closed by the platform, or deleted. */
  onLost?: ((reason: string) => void) | undefined;
  close(): void;
}

export const EMPTY_META: OutboxMeta = {
  version: 0,
  nextSeq: 1,
  count: 0,
  bytes: 0,
  sentTo: 0,
  identity: undefined,
};

/** Returns the metadata after the entries were added. Throws OutboxFullError. */
export function metaWith(meta: OutboxMeta, added: readonly NewEntry[], limits: OutboxLimits): OutboxMeta {
  const count = meta.count + added.length;
  const bytes = meta.bytes + added.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const held = `It holds ${meta.count} writes with ${meta.bytes} bytes`;
  if (count > limits.entriesMax) {
    throw new OutboxFullError("entries", `the outbox is full: ${held}, and at most ${limits.entriesMax} writes fit.`);
  }
  if (bytes > limits.bytesMax) {
    throw new OutboxFullError("bytes", `the outbox is full: ${held}, and at most ${limits.bytesMax} bytes fit.`);
  }
  return { ...meta, nextSeq: meta.nextSeq + added.length, count, bytes };
}

export function metaAfter(meta: OutboxMeta, change: OutboxChange): OutboxMeta {
  return {
    ...meta,
    version: meta.version + 1,
    sentTo: change.sentTo ?? meta.sentTo,
    identity: change.identity === undefined ? meta.identity : (change.identity ?? undefined),
    count: meta.count + (change.countDelta ?? 0),
    bytes: meta.bytes + (change.bytesDelta ?? 0),
  };
}
