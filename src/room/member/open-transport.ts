/** The transport of a tab's member: WebRTC to the other tabs, a WebSocket to the objects of its room's cluster, or both. */
import { assert } from "../../base/assert.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { SignallingState } from "../../transport/channel.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { GreetingCredentials } from "../../transport/greeting/handshake.ts";
import type { SigningKey } from "../../transport/greeting/signing-key.ts";
import type { Invitations } from "../../protocol/peer/invitations-schema.ts";
import { roomKeys } from "../../transport/room-secret.ts";
import type { HeldInvitation } from "../../transport/invitation-code.ts";
import type { TabCredentials } from "../../transport/socket/tab-greeting.ts";
import type { RoomEdge, RoomRegistry } from "../../transport/room.ts";
import type { Identity } from "../../storage/storage.ts";
import { signallingToken } from "../entrance/identifiers.ts";
import { OpenRoomError } from "../common/errors.ts";
import { peerAddress } from "../common/room-edge.ts";
import type { RoomPlace } from "../entrance/room-place.ts";
import type { TabTransport } from "./tab-transport.ts";

export interface TransportOptions {
  readonly place: RoomPlace;
  /** Undefined: for an open room. */
  readonly secret: string | undefined;
  /** By which this browser came, if it does not know the secret. */
  readonly invitation: HeldInvitation | undefined;
  readonly registry: RoomRegistry;
  readonly iceServers: readonly RTCIceServer[] | undefined;
}

const WITHOUT_WEBRTC =
  "The members of this room are browser tabs, which meet by WebRTC, and this browser has none. A room at the edge works without it.";

type OnSignalling = (state: SignallingState, text: string) => void;
type OnRelayed = (peers: readonly MemberId[]) => void;
/** What the member's log says. */
type Invited = () => Invitations;

/** Loads what it needs, which is much for WebRTC. */
export async function openTransport(
  options: TransportOptions,
  identity: Identity,
  key: SigningKey | undefined,
  edge: RoomEdge | undefined,
  onSignalling: OnSignalling,
  onRelayed: OnRelayed,
  invited: Invited,
): Promise<TabTransport> {
  if (edge !== undefined) return openAtEdge(options, identity, key, edge, onSignalling, onRelayed, invited);
  const toTabs = await openWebRtc(options, identity, key, onSignalling, onRelayed, invited);
  const [, { EdgeTransport }] = await socketParts();
  const isOpen = options.secret === undefined && options.invitation === undefined;
  // An object that joins later has the path that every room has.
  const later = { path: `/c/${options.place.name}/`, objects: [] };
  const nameOf = (object: MemberId): string => transport.nameOf(object);
  const openToObjects = (): Promise<TabTransport> => openSockets(options, identity, key, later, nameOf, () => {});
  const transport = new EdgeTransport({ objects: [], toTabs, ...(isOpen ? {} : { openToObjects }) });
  return transport;
}

const socketParts = /* @__PURE__ */ loadedOnce(() =>
  Promise.all([import("../../transport/socket/socket-dialer.ts"), import("./edge-transport.ts")]),
);

const webRtcParts = /* @__PURE__ */ loadedOnce(() =>
  Promise.all([
    import("../../transport/peerjs.ts"),
    import("../../transport/dtls.ts"),
    import("../../transport/webrtc.ts"),
    import("../../transport/relay/relay-port.ts"),
    import("../../transport/relay/relayed-transport.ts"),
    import("./tab-credentials.ts"),
    // A room of tabs may get an object at any time, and lose its server in the next moment.
    socketParts(),
  ]),
);

/**
 * Loads what brings WebRTC, which is large. A tab that is served loads it as well, at its start: it may have to take over
 * when nothing can be loaded any more, as with a service worker in the very process that has stopped.
 */
export async function loadWebRtc(): Promise<void> {
  await webRtcParts();
}

async function openAtEdge(
  options: TransportOptions,
  identity: Identity,
  key: SigningKey | undefined,
  edge: RoomEdge,
  onState: OnSignalling,
  onRelayed: OnRelayed,
  invited: Invited,
): Promise<TabTransport> {
  const nameOf = (object: MemberId): string => transport.nameOf(object);
  const toObjects = await openSockets(options, identity, key, edge, nameOf, onState);
  const [, { EdgeTransport }] = await socketParts();
  const transport = new EdgeTransport({
    objects: edge.objects,
    toObjects,
    // Whether newcomers can come is a question to the objects, and to no signalling server.
    openToTabs: () => openWebRtc(options, identity, key, () => {}, onRelayed, invited),
  });
  return transport;
}

/** A WebSocket to each object. */
async function openSockets(
  options: TransportOptions,
  { memberId: id, clusterId: cluster }: Identity,
  member: SigningKey | undefined,
  edge: RoomEdge,
  nameOf: (object: MemberId) => string,
  onState: OnSignalling,
): Promise<TabTransport> {
  const [{ SocketDialer }] = await socketParts();
  const credentials = { by: shownToObjects(options), member };
  const dial = (object: bigint): WebSocket | undefined => {
    const address = peerAddress(options.place.signalling, edge, nameOf(object), object);
    return address === undefined ? undefined : new WebSocket(address);
  };
  return new SocketDialer({ id, cluster, credentials, dial, onState });
}

/** A guest shows its invitation each time: an object knows it as long as somebody has come by it. */
function shownToObjects({ place, secret, invitation }: TransportOptions): TabCredentials["by"] {
  if (invitation !== undefined) return invitation;
  const { registry: registryKey } = roomKeys(place.name, secret);
  assert(registryKey !== undefined, "a room with objects has a secret");
  return { registryKey };
}

async function openWebRtc(
  options: TransportOptions,
  { memberId: id }: Identity,
  member: SigningKey | undefined,
  onSignalling: OnSignalling,
  onRelayed: OnRelayed,
  invited: Invited,
): Promise<TabTransport> {
  const { place, secret, invitation, registry, iceServers } = options;
  if (typeof RTCPeerConnection === "undefined") {
    throw new OpenRoomError("unsupported", WITHOUT_WEBRTC);
  }
  const [{ peerJsPort }, { newCertificate }, { WebRtcTransport }, { RelayPort }, { RelayedTransport }, own] =
    await webRtcParts();
  const port = peerJsPort({
    id,
    baseUrl: place.signalling,
    room: place.name,
    token: signallingToken(place.key),
    certificate: await newCertificate(),
    ...(secret === undefined && invitation === undefined
      ? {}
      : { ticket: (peerId, token) => registry.ticket(peerId, token) }),
    ...(iceServers === undefined ? {} : { iceServers }),
  });
  const credentials = (): GreetingCredentials => own.credentialsIn(options, member, invited());
  const keys = own.relayKeys(options, invited);
  return new RelayedTransport({
    direct: new WebRtcTransport({ id, port, credentials, onSignalling }),
    relay: new WebRtcTransport({ id, port: new RelayPort(id, keys, port.relay), credentials }),
    onRelayed,
  });
}
