/**
 * What the outbox uses of a browser, each of which may be missing: this client is compiled for servers and workers, too,
 * whose types know none of it.
 */
import type { StorageManagerLike } from "../common/storage-usage.ts";

export interface LockManagerLike {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal },
    hold: (lock: object | null) => Promise<void>,
  ): Promise<unknown>;
}

export interface ChannelLike {
  postMessage(message: unknown): void;
  close(): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}

export interface RequestLike<Result> {
  readonly result: Result;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

export interface OpenRequestLike extends RequestLike<DatabaseLike> {
  onupgradeneeded: (() => void) | null;
  onblocked: (() => void) | null;
}

export interface ObjectStoreLike {
  get(key: string): RequestLike<unknown>;
  getAll(range: unknown): RequestLike<readonly unknown[]>;
  put(value: unknown, key?: string): RequestLike<unknown>;
  delete(key: number): RequestLike<unknown>;
}

export interface TransactionLike {
  readonly error: Error | null;
  objectStore(name: string): ObjectStoreLike;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

export interface DatabaseLike {
  createObjectStore(name: string, options?: { readonly keyPath: string }): unknown;
  transaction(
    names: readonly string[],
    mode: "readonly" | "readwrite",
    options?: { readonly durability: "strict" },
  ): TransactionLike;
  close(): void;
  onclose: (() => void) | null;
  onversionchange: (() => void) | null;
}

interface EventTargetLike {
  addEventListener(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void;
}

interface Globals {
  readonly navigator?: { readonly locks?: LockManagerLike; readonly storage?: StorageManagerLike };
  readonly BroadcastChannel?: new (name: string) => ChannelLike;
  readonly indexedDB?: {
    open(name: string, version: number): OpenRequestLike;
    databases?(): Promise<readonly { readonly name?: string }[]>;
  };
  readonly IDBKeyRange?: { bound(from: number, to: number, fromOpen: boolean, toOpen: boolean): unknown };
  readonly document?: EventTargetLike;
  readonly addEventListener?: EventTargetLike["addEventListener"];
}

export const browser: Globals = globalThis as Globals;
