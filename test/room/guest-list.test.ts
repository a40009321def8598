/** Whom the registry of a room is told to let ask, and when. */
import { expect, test } from "vitest";
import { NO_INVITATIONS } from "../../src/member/membership/invitations.ts";
import type { Guest, Invitation, Invitations } from "../../src/protocol/peer/invitations-schema.ts";
import { guestsOf } from "../../src/room/entrance/guest-list.ts";

const bytes = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const HASH = "07".repeat(32);

function listOf(set: Partial<Invitation>, guests: readonly Guest[] = []): ReturnType<typeof guestsOf> {
  const keys = { id: bytes(1), greetingKey: bytes(2), registryHash: bytes(7) };
  const invitation: Invitation = { ...keys, role: "member", usesLeft: 1, expiresMs: 99, isRevoked: false, ...set };
  const invitations: Invitations = { ...NO_INVITATIONS, made: [invitation], guests };
  return guestsOf(invitations);
}

test("an open invitation until its time, and one that is over with the reason", () => {
  expect(listOf({})).toEqual([{ hash: HASH, untilMs: 99 }]);
  expect(listOf({ usesLeft: 0 })).toEqual([{ hash: HASH, over: "used" }]);
  expect(listOf({ isRevoked: true })).toEqual([{ hash: HASH, over: "revoked" }]);
});

test("one that guests came by without an end, for their way back, however it ended", () => {
  const guest: Guest = { key: bytes(9), role: "reader", invitation: bytes(1) };
  for (const set of [{}, { usesLeft: 0 }, { isRevoked: true }]) expect(listOf(set, [guest])).toEqual([{ hash: HASH }]);
  expect(listOf({}, [{ ...guest, invitation: bytes(2) }])).toEqual([{ hash: HASH, untilMs: 99 }]);
});
