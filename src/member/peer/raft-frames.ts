/** Packs the Raft messages of one Ready into as few frames as transports allow. */
import type { MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";

/** A frame may exceed this by one entry; the limit of the transports leaves room for that. */
const FRAME_BYTES = 1024 * 1024;
const MESSAGE_OVERHEAD_BYTES = 64;
const ENTRY_OVERHEAD_BYTES = 24;

export interface RaftFrame {
  readonly to: MemberId;
  readonly messages: readonly RaftMessage[];
}

/** Keeps the order of messages for each receiver. */
export function raftFrames(messages: readonly RaftMessage[]): readonly RaftFrame[] {
  const open = new Map<MemberId, { messages: RaftMessage[]; bytes: number }>();
  const frames: RaftFrame[] = [];
  for (const message of messages) {
    const bytes = sizeBytes(message);
    const current = open.get(message.to);
    if (current !== undefined && current.bytes + bytes <= FRAME_BYTES) {
      current.messages.push(message);
      current.bytes += bytes;
      continue;
    }
    const started = { messages: [message], bytes };
    open.set(message.to, started);
    frames.push({ to: message.to, messages: started.messages });
  }
  return frames;
}

function sizeBytes(message: RaftMessage): number {
  let bytes = MESSAGE_OVERHEAD_BYTES;
  if (message.type === "append" || message.type === "propose") {
    for (const entry of message.entries) bytes += entry.data.length + ENTRY_OVERHEAD_BYTES;
  }
  return bytes;
}
