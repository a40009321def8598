/** What the package takes of PeerJS, so that its bundle holds nothing else (build-package.ts). */
export { Peer, util } from "peerjs";
