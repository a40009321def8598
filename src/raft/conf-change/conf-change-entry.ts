/**
 * Encodes a configuration change as the data of an entry. Data that holds no change decodes to undefined: a member that
 * runs other software proposed it. Such an entry must have no effect on any member.
 */
import type { ConfChange } from "../../protocol/peer/raft-message.ts";
import { decodeConfChange, encodeConfChange } from "../../protocol/peer/raft-codec.ts";

export function encodeChange(change: ConfChange): Uint8Array {
  return encodeConfChange(change);
}

export function decodeChange(data: Uint8Array): ConfChange | undefined {
  try {
    return decodeConfChange(data);
  } catch {
    return undefined;
  }
}
