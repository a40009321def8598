/** The code of an invitation: what follows from it, and for whom. */
import { expect, test } from "vitest";
import { toHex } from "../../src/base/text-codes.ts";
import { heldInvitation, newInvitationCode } from "../../src/transport/invitation-code.ts";
import { isInvitationCode } from "../../src/transport/invitation-text.ts";
import { isSignedBy, keyFingerprint } from "../../src/transport/greeting/signing-key.ts";

const MESSAGE = Uint8Array.of(1, 2, 3);

test("a code is a key pair: its id is the fingerprint of what verifies its signatures", async () => {
  const code = await newInvitationCode();
  expect(isInvitationCode(code)).toBe(true);
  const { id, signingKey } = await heldInvitation("planning", code);
  expect(toHex(keyFingerprint(signingKey.publicKey))).toBe(toHex(id));
  expect(await isSignedBy(signingKey.publicKey, MESSAGE, await signingKey.sign(MESSAGE))).toBe(true);
  expect(await newInvitationCode()).not.toBe(code);
});

test("what is derived from it belongs to one room and one use, and none of it is in another", async () => {
  const code = await newInvitationCode();
  const [here, again, there] = [
    await heldInvitation("planning", code),
    await heldInvitation("planning", code),
    await heldInvitation("other", code),
  ];
  expect([toHex(here.key), here.registry]).toEqual([toHex(again.key), again.registry]);
  expect(toHex(here.key)).not.toBe(toHex(there.key));
  expect(here.registry).not.toBe(there.registry);
  expect(here.registry).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

test("a code that was changed on its way is no key", async () => {
  const code = await newInvitationCode();
  const changed = `${code.startsWith("A") ? "B" : "A"}${code.slice(1)}`;
  for (const text of [changed, "A".repeat(128)]) {
    expect(await heldInvitation("planning", text).catch((error: unknown) => error)).toBeInstanceOf(DOMException);
  }
  for (const text of ["", code.slice(1), `${code}A`, `${code.slice(1)}=`]) expect(isInvitationCode(text)).toBe(false);
});
