/** The transport of a tab's member: WebRTC, with the signalling server of its room. */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { SignallingState } from "../transport/channel.ts";
import { roomKeys } from "../transport/room-secret.ts";
import type { RoomRegistry } from "../transport/room.ts";
import { WebRtcTransport } from "../transport/webrtc.ts";
import { signallingToken } from "./identifiers.ts";
import type { RoomPlace } from "./room-place.ts";
import type { TabTransport } from "./tab-transport.ts";

export interface TransportOptions {
  readonly place: RoomPlace;
  /** Undefined: for an open room. */
  readonly secret: string | undefined;
  readonly registry: RoomRegistry;
  readonly iceServers: readonly RTCIceServer[] | undefined;
}

/** The library that brings WebRTC is large, and loaded when it is needed. */
export async function openTransport(
  { place, secret, registry, iceServers }: TransportOptions,
  id: MemberId,
  onSignalling: (state: SignallingState, text: string) => void,
): Promise<TabTransport> {
  const [{ peerJsPort }, { newCertificate }] = await Promise.all([
    import("../transport/peerjs.ts"),
    import("../transport/dtls.ts"),
  ]);
  const port = peerJsPort({
    id,
    baseUrl: place.signalling,
    room: place.name,
    token: signallingToken(place.key),
    certificate: await newCertificate(),
    ...(secret === undefined ? {} : { ticket: (peerId, token) => registry.ticket(peerId, token) }),
    ...(iceServers === undefined ? {} : { iceServers }),
  });
  return new WebRtcTransport({ id, port, greetingKey: roomKeys(place.name, secret).greeting, onSignalling });
}
