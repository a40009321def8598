/**
 * What remains of a removed member: no cluster data, only enough to report the removal permanently to clients, and to
 * refer other removed members, which may know only removed ones, to current members.
 */
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { encodeFrame } from "../../src/protocol/peer/frame.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { decodeBatch, encodeBatch } from "../../src/transport/http-batch.ts";
import { MAX_FRAME_BYTES } from "../../src/transport/transport.ts";
import { clearStorage } from "./clear-storage.ts";

const KEY = "removed";

export interface Tombstone {
  readonly cluster: bigint;
  readonly member: MemberId;
  /** The members when this one was removed, and those removed before. */
  readonly members: readonly MemberId[];
  readonly removed: readonly MemberId[];
  /** The members header at that time (live-members.ts). */
  readonly header: string | undefined;
}

export function tombstoneOf(storage: DurableObjectStorage): Tombstone | undefined {
  return storage.kv.get<Tombstone>(KEY);
}

/** One transaction: either the member exists, or its tombstone. */
export function writeTombstone(storage: DurableObjectStorage, tombstone: Tombstone): void {
  storage.transactionSync(() => {
    clearStorage(storage);
    storage.kv.put(KEY, tombstone);
  });
}

/** Responds to frames of another member: that it was removed as well, or whom to contact. Throws BadBatchError. */
export function replyAsRemoved(tombstone: Tombstone, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const { sender } = decodeBatch(body, { maxFrameBytes: MAX_FRAME_BYTES, maxBatchBytes: MAX_FRAME_BYTES });
  const { cluster, member, removed } = tombstone;
  const refusal = removed.includes(sender) ? "removed" : "";
  const members: readonly MemberRecord[] = tombstone.members.map((id) => memberRecord({ id }));
  const frame = encodeFrame(
    { clusterId: cluster, from: member, to: sender },
    { type: "join-response", refusal, clusterId: cluster, members },
  );
  const epoch = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return encodeBatch({ sender: member, epoch, sequence: 0, frames: [frame] });
}
