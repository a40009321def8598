/** Bytes that are not what they should be: from a peer, a disk, or a client. Nothing was changed by reading them. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecodeError";
  }
}
