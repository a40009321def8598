import { compare, connect, EtcdError, GrpcCode, op } from "quorate";
import type { ApplicationClient, KeyValue, WatchEvent } from "quorate";
import { useEntry, useNamespace } from "quorate/react";
import { openRoom, OpenRoomError } from "quorate/room";
import type { RoomClient } from "quorate/room";
import { startGrpcProxy } from "quorate/grpc";
import { Prng } from "quorate/raft";
import type { Raft, RaftMessage, Ready } from "quorate/raft";

const client: ApplicationClient = connect({
  endpoint: "https://config.example",
  user: { name: "ann", password: "secret" },
});

export async function colours(): Promise<readonly string[]> {
  const { kvs } = await client.kv.range("colour/", { prefix: true, serializable: true });
  return kvs.map((kv: KeyValue) => client.toText(kv.value));
}

export async function paint(colour: string): Promise<boolean> {
  try {
    const { succeeded } = await client.kv
      .txn()
      .if(compare.version("colour").equals(0))
      .then(op.put("colour", colour))
      .commit();
    return succeeded;
  } catch (error) {
    if (error instanceof EtcdError && error.code === GrpcCode.Unavailable) return false;
    throw error;
  }
}

export async function follow(seen: (event: WatchEvent) => void): Promise<void> {
  for await (const { events } of client.watch("colour/", { prefix: true })) events.forEach(seen);
}

// @ts-expect-error an endpoint is needed
connect({});

export const prng: Prng = new Prng(1);
export type Driver = (raft: Raft, ready: Ready, send: (message: RaftMessage) => void) => void;
export const front: typeof startGrpcProxy = startGrpcProxy;

interface Flag {
  readonly on: boolean;
}

export function useIsDark(): boolean {
  return useEntry(useNamespace<Flag>("flags/"), "dark")?.value.on ?? false;
}

export async function refresh(): Promise<number> {
  const flags = client.namespace<Flag>("flags/");
  const created = await flags.create("dark", { on: true });
  // @ts-expect-error a flag is no number
  await flags.put("dark", 1);
  await using lock = await client.acquire("refresh", { ttl: 10 });
  return created.entry.revision + lock.fence;
}

export async function enter(secret: string, signal: AbortSignal): Promise<string> {
  await using room: RoomClient = openRoom("planning", {
    signalling: "https://quorate.example",
    secret,
    iceServers: [{ urls: "stun:stun.example:3478" }],
    flags: { "auto-compaction-retention": "1h" },
    signal,
  });
  try {
    await room.ready;
  } catch (error) {
    if (error instanceof OpenRoomError && error.reason === "key-wrong") return "another secret";
    throw error;
  }
  // @ts-expect-error a room's name is a text
  openRoom(7);
  await room.namespace<Flag>("flags/").put("dark", { on: true });
  const { state, reason } = room.connection.getSnapshot();
  return `${state} ${reason} ${room.room.members.length} ${room.room.link ?? ""}`;
}
