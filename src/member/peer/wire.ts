/**
 * Decodes and checks frames between members: of this cluster, for this member, from the peer that the transport names.
 */
import { DecodeError } from "../../protocol/decode-error.ts";
import { decodeFrame, decodeFrameHeader } from "../../protocol/peer/frame.ts";
import type { FrameHeader } from "../../protocol/peer/frame.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { MAX_FRAME_BYTES } from "../../transport/transport.ts";

const LIMITS = { maxBytes: MAX_FRAME_BYTES };

/**
 * Returns the kind of a frame without decoding its body. Throws DecodeError with the reason if the frame is not for
 * this member.
 */
export function kindOfMemberFrame(bytes: Uint8Array, expected: FrameHeader): FrameBody["type"] {
  const { kind, header } = decodeFrameHeader(bytes, LIMITS);
  if (header.clusterId !== expected.clusterId) {
    throw new DecodeError(`frame: of cluster ${header.clusterId}, this is ${expected.clusterId}`);
  }
  if (header.to !== expected.to) throw new DecodeError(`frame: for member ${header.to}, this is ${expected.to}`);
  if (header.from !== expected.from) {
    throw new DecodeError(`frame: says it is from ${header.from}, came from ${expected.from}`);
  }
  if (header.from === 0n || header.from === expected.to) throw new DecodeError(`frame: invalid sender ${header.from}`);
  return kind;
}

/** Returns the body of a frame that `kindOfMemberFrame` let pass. Throws DecodeError if it is invalid. */
export function decodeMemberBody(bytes: Uint8Array): FrameBody {
  return decodeFrame(bytes, LIMITS).body;
}
