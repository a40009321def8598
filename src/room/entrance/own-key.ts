/**
 * The key by which this browser profile is known in a room. Each room has its own: two rooms cannot tell that it is one
 * profile. It stays when the profile leaves the room, so that one that was removed does not come back as somebody else.
 */
import { keptKeyPair } from "../../storage/indexeddb/indexeddb-keys.ts";
import { newKeyPair, signingKey } from "../../transport/greeting/signing-key.ts";
import type { KeyPair, SigningKey } from "../../transport/greeting/signing-key.ts";

export async function ownKey(room: string): Promise<SigningKey> {
  return signingKey(await keptKeyPair(room, isKeyPair, newKeyPair));
}

function isKeyPair(stored: unknown): stored is KeyPair {
  if (typeof stored !== "object" || stored === null) return false;
  const { privateKey, publicKey }: { privateKey?: unknown; publicKey?: unknown } = stored;
  return privateKey instanceof CryptoKey && publicKey instanceof CryptoKey;
}
