/**
 * What is left of a member that was removed: nothing of the cluster's data, and enough to say so for good, to clients
 * and to other members that were removed while they were away. Those may know nobody but members that are gone, too.
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
  /** Who was there when this one went, and who had gone before. */
  readonly members: readonly MemberId[];
  readonly removed: readonly MemberId[];
  /** live-members.ts, as of then. */
  readonly header: string | undefined;
}

export function tombstoneOf(storage: DurableObjectStorage): Tombstone | undefined {
  return storage.kv.get<Tombstone>(KEY);
}

/** All at once: either the member is there, or its tombstone. */
export function writeTombstone(storage: DurableObjectStorage, tombstone: Tombstone): void {
  storage.transactionSync(() => {
    clearStorage(storage);
    storage.kv.put(KEY, tombstone);
  });
}

/** The answer to frames of another member: that it was removed, or where to ask. Throws BadBatchError. */
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
