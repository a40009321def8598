/** Frames between members, checked: of this cluster, for this member, from whom the carrier says. */
import { DecodeError } from "../protocol/decode-error.ts";
import { decodeFrame } from "../protocol/frame.ts";
import type { FrameHeader } from "../protocol/frame.ts";
import type { FrameBody } from "../protocol/frame-schema.ts";
import { MAX_FRAME_BYTES } from "../transport/transport.ts";

/** Throws DecodeError for everything that is not for this member; what is wrong stands in the text. */
export function decodeMemberFrame(bytes: Uint8Array, expected: FrameHeader): FrameBody {
  const { header, body } = decodeFrame(bytes, { maxBytes: MAX_FRAME_BYTES });
  if (header.clusterId !== expected.clusterId) {
    throw new DecodeError(`frame: of cluster ${header.clusterId}, this is ${expected.clusterId}`);
  }
  if (header.to !== expected.to) throw new DecodeError(`frame: for member ${header.to}, this is ${expected.to}`);
  if (header.from !== expected.from) {
    throw new DecodeError(`frame: says it is from ${header.from}, came from ${expected.from}`);
  }
  return body;
}
