/**
 * Stands in the page for `peerjs-js-binarypack`, with which PeerJS serializes what it is given. Members hand it bytes, and
 * channels of any other serialization are closed before they open (src/transport/peerjs.ts), so nothing calls this.
 */
export function pack(): never {
  throw new Error("only raw channels are used");
}

export function unpack(): never {
  throw new Error("only raw channels are used");
}
