/** Opens a room: this tab becomes a member of it. */
import { applicationClient } from "../client/app/application-client.ts";
import { createClient } from "../client/client.ts";
import { SYSTEM_BACKOFF } from "../client/common/backoff.ts";
import type { OutboxOptions } from "../client/outbox/outbox-types.ts";
import type { FlaggedOptions, MemberFlagName } from "../member/flags.ts";
import { roomKeys } from "../transport/room-secret.ts";
import type { HeldInvitation } from "../transport/invitation-code.ts";
import { RoomRefusal, roomRegistry } from "../transport/room.ts";
import type { FetchLike, RoomCredential, RoomInfo, RoomRegistry } from "../transport/room.ts";
import { checkBrowserSupport } from "./common/browser-support.ts";
import { OpenRoomError } from "./common/errors.ts";
import { edgeMemory, knownInvitations, knownSecrets } from "./entrance/identifiers.ts";
import { takeName } from "./open-names.ts";
import { OwnRoom } from "./own-room.ts";
import type { Admission } from "./own-room.ts";
import { loadWebRtc } from "./member/open-transport.ts";
import type { RoomClient } from "./room-client.ts";
import { guestRegistry } from "./entrance/guest-registry.ts";
import { keyAtDoor, keyIn } from "./entrance/room-door.ts";
import type { GivenKey } from "./entrance/room-door.ts";
import { withEdgeMemory } from "./common/room-edge.ts";
import type { EdgeMemory, RoomShape } from "./common/room-edge.ts";
import { roomPlace } from "./entrance/room-place.ts";
import type { RoomPlace } from "./entrance/room-place.ts";

/** Options of `openRoom()`. All may be left out. */
export interface OpenRoomOptions {
  /**
   * The origin of a Quorate server, at which the room's members find each other, with "/c/NAME" for one of its clusters:
   * each has rooms of its own. Default: the page's own origin.
   */
  readonly signalling?: string | undefined;
  /**
   * The room's secret, or a link or fragment with it or with an invitation (`location.hash`), which may have neither.
   * Default: what this browser knows, and for a new room a new secret.
   */
  readonly secret?: string | undefined;
  /** An open room, without a secret: anybody who knows its name may join it. Default false. */
  readonly open?: boolean | undefined;
  /**
   * Who votes in a room that is founded now: "tabs", the tabs themselves; or "edge", an object at the server, which keeps
   * the room when all tabs are closed; tabs then are learners, which hold everything and forward writes; or "mixed", the
   * object and tabs together, where tabs go on while the server cannot be reached. A room that there is keeps its shape,
   * until `room.reshape()`; `room.shapeAsked` tells whoever asked for another one. Default "edge" where the server can keep
   * the room in an object, else "tabs"; an open room is one of tabs.
   */
  readonly shape?: RoomShape | undefined;
  /** STUN and TURN servers. Default: PeerJS's own; none when the signalling server is on this machine. */
  readonly iceServers?: readonly RTCIceServer[] | undefined;
  /** The member's settings, under the names of etcd's flags: `{ "auto-compaction-retention": "1h" }`. */
  readonly flags?: Readonly<Partial<Record<MemberFlagName, string>>> | undefined;
  /** Asks the browser once to keep what is stored; Firefox asks its user. Default true. */
  readonly persist?: boolean | undefined;
  /** Closes the client when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Settings of `client.outbox`. */
  readonly outbox?: OutboxOptions | undefined;
}

/**
 * Returns a client at once; this tab comes into the room meanwhile, and `connection` tells how far it is.
 *
 * Name: 1 to 64 letters, digits and `. _ ~ -`, beginning with a letter or digit.
 *
 * Throws OpenRoomError for a name, secret or address that is none, in a runtime that lacks what a member needs, and while
 * this page has the room open.
 */
export function openRoom(name: string, options: OpenRoomOptions = {}): RoomClient {
  // In a page, what it has stored says whether the room needs WebRTC; what is no page has none of it.
  checkBrowserSupport(globalThis, "document" in globalThis);
  const place = roomPlace(name, options.signalling, location.origin);
  const edges = edgeMemory(place.key);
  const isOfTabs = edges.get() === undefined && (options.shape === "tabs" || options.open === true);
  checkBrowserSupport(globalThis, !isOfTabs);
  const given = keyIn(options.secret ?? "");
  const openName = takeName(place.key, name);
  const over = new AbortController();
  const room = new OwnRoom({
    place,
    open: options.open === true,
    shapeAsked: options.shape,
    iceServers: options.iceServers ?? (place.isLocal ? [] : undefined),
    persist: options.persist ?? true,
    edges,
    admit: () => admission(place, given, options, edges, over.signal),
    onEnd: (closed) => {
      const released = application.close();
      over.abort();
      openName.release(closed);
      return released;
    },
  });
  const client = createClient(room.services.services, { ready: room.ready });
  const application = applicationClient(client, {
    backoff: SYSTEM_BACKOFF,
    connection: room.connection,
    place: `room/${place.key}`,
    outbox: options.outbox,
    local: {
      ready: room.ready,
      isBehind: () => room.connection.getSnapshot().state !== "connected",
      subscribe: room.connection.subscribe,
    },
  });
  const close = (): Promise<void> => room.close();
  // It comes while the store opens, and is taken when it is needed.
  if (isOfTabs || isKnownAsTabs(place.key, edges)) void loadWebRtc().catch(() => {});
  void room.start(openName.free);
  if (options.signal?.aborted === true) void close();
  else options.signal?.addEventListener("abort", () => void close(), { once: true, signal: over.signal });
  return { ...application, room, close, [Symbol.asyncDispose]: close };
}

/** Rejects with OpenRoomError. */
async function admission(
  place: RoomPlace,
  given: GivenKey | undefined,
  { flags, open = false, shape }: OpenRoomOptions,
  edges: EdgeMemory,
  over: AbortSignal,
): Promise<Admission> {
  const { key, name, signalling } = place;
  if (open && (shape === "edge" || shape === "mixed"))
    throw new OpenRoomError("invalid", "A room at the edge has a secret, and cannot be open.");
  const settings = await settingsOf(flags ?? {});
  const founded = shape ?? (open ? "tabs" : defaultShape());
  const registryWith = (secret: string | undefined, send: FetchLike): RoomRegistry => {
    const { registry } = roomKeys(name, secret);
    const credential: RoomCredential = registry === undefined ? { type: "open" } : { type: "key", key: registry };
    return withEdgeMemory(roomRegistry(signalling, name, credential, send, founded), edges);
  };
  const guestRegistryWith = ({ registry }: HeldInvitation, send: FetchLike): RoomRegistry =>
    withEdgeMemory(guestRegistry(roomRegistry(signalling, name, { type: "key", key: registry }, send)), edges);
  // A claim is never given up half-way: whoever forgot what it was given would leave the room to nobody.
  const patient: FetchLike = (url, init) => fetch(url, init);
  const hasty: FetchLike = (url, init) => fetch(url, { ...init, signal: AbortSignal.any([init.signal, over]) });
  const [secrets, invitations] = [knownSecrets(key), knownInvitations(key)];
  const ask = async (tried: GivenKey | undefined): Promise<RoomInfo> =>
    tried !== undefined && "invitation" in tried
      ? guestRegistryWith(await held(name, tried.invitation), hasty).info()
      : registryWith(tried?.secret, hasty).info();
  const shown = await keyAtDoor({
    ...{ given, open, secrets, invitations, ask },
    hasStore: () => hasDatabase(place.database),
  });
  if (shown !== undefined && "invitation" in shown) {
    const invitation = await held(name, shown.invitation);
    const registry = guestRegistryWith(invitation, patient);
    return { secret: undefined, invitation, registry, settings, onRefused: () => invitations.forget() };
  }
  const secret = shown?.secret;
  const registry = registryWith(secret, patient);
  return { secret, invitation: undefined, registry, settings, onRefused: () => secrets.forget() };
}

/** Few come by an invitation. Rejects with RoomRefusal for a code that is no key. */
async function held(room: string, code: string): Promise<HeldInvitation> {
  const { heldInvitation } = await import("../transport/invitation-code.ts");
  try {
    return await heldInvitation(room, code);
  } catch {
    throw new RoomRefusal("invitation-unknown");
  }
}

/** Tabs could not meet without WebRTC. */
function defaultShape(): "any" | "edge" {
  return typeof RTCPeerConnection === "undefined" ? "edge" : "any";
}

/** This browser has been in the room, and heard of no object. In a room with objects, WebRTC is loaded when tabs vote. */
function isKnownAsTabs(key: string, edges: EdgeMemory): boolean {
  const isKnown = knownSecrets(key).get() !== undefined || knownInvitations(key).get() !== undefined;
  return isKnown && edges.get() === undefined;
}

/** Most rooms have none, and need not load how they are read. */
async function settingsOf(flags: NonNullable<OpenRoomOptions["flags"]>): Promise<FlaggedOptions> {
  if (Object.keys(flags).length === 0) return {};
  const { memberOptionsOf } = await import("../member/flags.ts");
  try {
    return memberOptionsOf((flag) => flags[flag]);
  } catch (error) {
    throw new OpenRoomError("invalid", error instanceof Error ? error.message : String(error));
  }
}

/** A browser that does not list its databases is taken to have none. */
async function hasDatabase(name: string): Promise<boolean> {
  try {
    return (await indexedDB.databases()).some((database) => database.name === name);
  } catch {
    return false;
  }
}
