/** The bytes with which a range of keys ends. A client needs no more of bytes.ts at its start. */

export const EMPTY_BYTES: Uint8Array = /* @__PURE__ */ new Uint8Array(0);

/**
 * Returns the first key after all keys with the prefix: the prefix with its last byte raised by one. A prefix of only
 * 0xff bytes, or an empty one, has no such key. etcd then uses "\0", which as a range end means "to the end".
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const byte = prefix[at] as number;
    if (byte === 0xff) continue;
    const end = prefix.slice(0, at + 1);
    end[at] = byte + 1;
    return end;
  }
  return new Uint8Array(1);
}
