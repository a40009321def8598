/** Options of the storage in a Durable Object, and their defaults. */
import type { Migrated, Schema } from "../sqlite/sql-schema.ts";

/** Calls back after a delay in milliseconds unless cancelled. Returns the function that cancels it. */
export type Timer = (callback: () => void, delayMs: number) => () => void;

export interface DurableObjectStorageOptions {
  /** Default setTimeout. A pending timer keeps an object from hibernating, so none is pending while all is written. */
  readonly timer?: Timer;
  /**
   * State rows are written with log writes once there are this many. Default 4,096, which a start after a crash applies
   * again within a fraction of a second.
   */
  readonly flushRows?: number;
  /** The same in bytes. Default 4 MiB. */
  readonly flushBytes?: number;
  /**
   * How many of them a write of the log takes along, unless more have come since the last one. Default 16: the request that
   * waits for the write waits for their pages, too.
   */
  readonly sliceRows?: number;
  /** How many of them are written at once while nothing else is. Default 64. */
  readonly idleSliceRows?: number;
  /** State rows cause a write of all of them once there are this many. Default 16,384. */
  readonly backlogRows?: number;
  /** The same in bytes. Default 16 MiB. */
  readonly backlogBytes?: number;
  /** State rows cause a write of their own if nothing changed for this time, in milliseconds. Default 200. */
  readonly idleMs?: number;
  /** Default: the current one. */
  readonly schema?: Schema;
  /** Called after the tables of an older version were brought to the current one. */
  readonly onMigrated?: (migrated: Migrated) => void;
  /** Bytes of recent entries kept in memory. Default 1 MiB. */
  readonly tailBytes?: number;
  /**
   * Whether the platform holds back everything that leaves the object until the writes before it are durable. Durable
   * Objects do, unless a write allows otherwise. Default false.
   */
  readonly hasOutputGate?: boolean;
}

export type StorageSettings = Required<Omit<DurableObjectStorageOptions, "schema" | "onMigrated">>;

export function withDefaults(options: DurableObjectStorageOptions): StorageSettings {
  return {
    timer: options.timer ?? timeout,
    flushRows: options.flushRows ?? 4_096,
    flushBytes: options.flushBytes ?? 4 * 1024 * 1024,
    sliceRows: options.sliceRows ?? 16,
    idleSliceRows: options.idleSliceRows ?? 64,
    backlogRows: options.backlogRows ?? 16_384,
    backlogBytes: options.backlogBytes ?? 16 * 1024 * 1024,
    idleMs: options.idleMs ?? 200,
    tailBytes: options.tailBytes ?? 1024 * 1024,
    hasOutputGate: options.hasOutputGate ?? false,
  };
}

function timeout(callback: () => void, delayMs: number): () => void {
  const id = setTimeout(callback, delayMs);
  return () => clearTimeout(id);
}
