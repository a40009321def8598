/**
 * SHA-256 of bytes that come in parts, by @noble/hashes: pure and synchronous. WebCrypto takes all bytes at once, and a
 * snapshot is larger than memory.
 */
import { sha256 } from "@noble/hashes/sha2.js";

export class Sha256 {
  readonly #hash: ReturnType<typeof sha256.create> = sha256.create();

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }

  /** Returns the 32 bytes. The hash takes no more bytes after this and throws. */
  digest(): Uint8Array {
    return this.#hash.digest();
  }
}
