/**
 * Stands in the page for `webrtc-adapter`, which PeerJS brings to smooth the media APIs of browsers of ten years ago. It
 * is a third of what WebRTC costs to load, rewrites RTCPeerConnection for everybody on the page, and puts itself into
 * every send; data channels have been the same in all browsers since. PeerJS itself wants only a name from it, to tell.
 */
interface Adapter {
  readonly browserDetails: { readonly browser: string; readonly version: number };
}

const adapter: Adapter = { browserDetails: { browser: "unknown", version: 0 } };

// oxlint-disable-next-line import/no-default-export -- as the package that it stands for
export default adapter;
