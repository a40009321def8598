/** A store with a hub, and streams whose responses are recorded as text. */
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { deleteRangeRequest, putRequest } from "../../../src/protocol/api/kv.ts";
import type { Event } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../../../src/protocol/api/watch.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../../src/mvcc/store.ts";
import { WatchHub, type HubStream, type WatchHubOptions } from "../../../src/mvcc/watch/watch-hub.ts";
import type { LeaseHook } from "../../../src/mvcc/txn/write-txn.ts";

const NO_LEASES: LeaseHook = { exists: () => false, attach: () => {}, detach: () => {} };
const OPTIONS: WatchHubOptions = { watchersMax: 100, streamBytesMax: 1024 * 1024, fragmentBytes: 2 * 1024 * 1024 };

export type CreateStrings = Partial<Omit<WatchCreateRequest, "key" | "rangeEnd">>;

export class World {
  tables: MemoryTables = new MemoryTables();
  store: Store = new Store(this.tables, NO_LEASES);
  readonly hub: WatchHub;

  constructor(options?: Partial<WatchHubOptions>) {
    const header = (revision: number): WatchResponse["header"] => ({
      clusterId: 1n,
      memberId: 2n,
      revision,
      raftTerm: 3,
    });
    this.hub = new WatchHub(this.store, header, { ...OPTIONS, ...options });
  }

  put(key: string, value: string): void {
    this.publish(this.store.put(putRequest({ key: latin1ToBytes(key), value: latin1ToBytes(value) })).events);
  }

  del(key: string, rangeEnd: string = ""): void {
    const request = deleteRangeRequest({ key: latin1ToBytes(key), rangeEnd: latin1ToBytes(rangeEnd) });
    this.publish(this.store.deleteRange(request).events);
  }

  publish(events: readonly Event[]): void {
    if (events.length > 0) this.hub.publish(this.store.revision, events);
  }

  pumpAll(maxRevisions: number = 1000): void {
    while (this.hub.syncUnsynced(maxRevisions));
  }

  /** Replaces the store as if a snapshot of `other` had been installed. */
  install(other: World): void {
    this.tables = other.tables;
    this.store = new Store(other.tables, NO_LEASES);
    this.hub.replaceStore(this.store);
  }

  stream(): TestStream {
    return new TestStream(this.hub);
  }
}

export class TestStream {
  readonly stream: HubStream;
  readable = 0;

  constructor(hub: WatchHub) {
    this.stream = hub.openStream(() => this.readable++);
  }

  create(key: string, rangeEnd: string = "", more?: CreateStrings): void {
    this.stream.create(watchCreateRequest({ key: latin1ToBytes(key), rangeEnd: latin1ToBytes(rangeEnd), ...more }));
  }

  take(maxResponses: number = 1000): string[] {
    return this.stream.take(maxResponses).map(responseText);
  }
}

/** id@<header revision>, flags, events. */
export function responseText(response: WatchResponse): string {
  const parts = [`${response.watchId}@${response.header.revision}`];
  if (response.created) parts.push("created");
  if (response.canceled) parts.push("canceled");
  if (response.compactRevision !== 0) parts.push(`compacted ${response.compactRevision}`);
  if (response.cancelReason !== "") parts.push(`(${response.cancelReason})`);
  if (response.fragment) parts.push("fragment");
  return [...parts, ...response.events.map(eventText)].join(" ");
}

/** key=value:<mod revision>, key:<mod revision> for a delete, and the previous pair in brackets. */
export function eventText(event: Event): string {
  const { kv, prevKv } = event;
  if (kv === undefined) return "?";
  const before = prevKv === undefined ? "" : `[${bytesToLatin1(prevKv.value)}:${prevKv.modRevision}]`;
  const value = event.type === "PUT" ? `=${bytesToLatin1(kv.value)}` : "";
  return `${bytesToLatin1(kv.key)}${value}:${kv.modRevision}${before}`;
}
