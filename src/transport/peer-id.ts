/** A member's name among PeerJS peers: `m` and its decimal id. Other peers of a room are not members. */
import type { MemberId } from "../protocol/peer/raft-message.ts";

const PEER_ID = /^m([1-9][0-9]{0,19})$/;

export function peerIdOf(member: MemberId): string {
  return `m${member}`;
}

export function memberOfPeerId(peerId: string): MemberId | undefined {
  const digits = PEER_ID.exec(peerId)?.[1];
  if (digits === undefined) return undefined;
  const member = BigInt(digits);
  return member < 1n << 64n ? member : undefined;
}
