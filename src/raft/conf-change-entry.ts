/**
 * A configuration change as the data of an entry. An entry that holds none decodes to undefined: it was proposed by a
 * member of another make, and must be nothing on every member alike.
 */
import type { ConfChange } from "../protocol/peer/raft-message.ts";
import { decodeConfChange, encodeConfChange } from "../protocol/peer/raft-codec.ts";

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
