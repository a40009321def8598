/** What is loaded when the outbox is first used. */
import type { LeaseClient } from "../facade/lease.ts";
import type { KvClient } from "../client.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import { invalid } from "../common/convert.ts";
import type { Store } from "../common/store.ts";
import { OutboxEngine } from "./engine.ts";
import { indexedDbOutboxStore } from "./indexeddb-store.ts";
import { newEntry, type WriteCall } from "./new-entry.ts";
import type { OutboxHandler, OutboxOptions, OutboxSnapshot } from "./outbox-types.ts";

export interface OutboxHost {
  readonly kv: KvClient;
  readonly lease: LeaseClient;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
  /** Names the outbox in this browser profile: what is written to, and as whom. */
  readonly place: string;
  /** Calls the listener when the cluster may be reachable again. */
  readonly onReachable: (listener: () => void) => void;
}

export interface OpenedOutbox {
  readonly engine: OutboxEngine;
  readonly handlers: ReadonlyMap<string, OutboxHandler>;
  /** Resolves when the write is durable. */
  readonly add: (id: string, call: WriteCall) => Promise<void>;
}

const DAYS_30 = 30 * 24 * 60 * 60;
const ENTRIES_MAX = 20_000;
const BYTES_MAX = 32 * 1024 * 1024;
const ID_BYTES = 12;

/** Rejects with EtcdError. */
export async function openOutbox(
  host: OutboxHost,
  options: OutboxOptions,
  snapshots: Store<OutboxSnapshot>,
  handlers: ReadonlyMap<string, OutboxHandler>,
): Promise<OpenedOutbox> {
  const { kv, lease, backoff, closed, place } = host;
  const markerPrefix = options.markerPrefix ?? "quorate/outbox/";
  const markerTtl = atLeastOne("markerTtl", options.markerTtl ?? DAYS_30);
  const limits = {
    entriesMax: atLeastOne("entriesMax", options.entriesMax ?? ENTRIES_MAX),
    bytesMax: atLeastOne("bytesMax", options.bytesMax ?? BYTES_MAX),
  };
  if (markerPrefix === "") throw invalid("markerPrefix is not empty");
  const name = outboxName(place, options.name);
  const store = options.store ?? (await indexedDbOutboxStore(name));
  const engine = await OutboxEngine.open({
    kv,
    lease,
    name,
    store,
    limits,
    snapshots,
    backoff,
    closed,
    handlers,
    markerPrefix,
    markerTtl,
    now: Date.now,
    newId: randomId,
  });
  host.onReachable(() => engine.wake());
  return { engine, handlers, add: async (id, call) => engine.add(newEntry(id, call, Date.now(), markerTtl)) };
}

/** Of its database, its lock and its channel. */
export function outboxName(place: string, name: string | undefined): string {
  return `quorate/outbox/${place}${name === undefined ? "" : `#${name}`}`;
}

/** 96 random bits. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function atLeastOne(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} is a whole number above 0, not ${value}`);
  return value;
}
