/** Composes a tab's member from what the browser has: locks, IndexedDB, WebRTC, the signalling of the page's server. */
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { deleteIndexedDb, openIndexedDbStorage } from "../../src/storage/indexeddb/indexeddb.ts";
import type { SignallingState } from "../../src/transport/channel.ts";
import { roomKeys } from "../../src/transport/room-secret.ts";
import { roomRegistry } from "../../src/transport/room.ts";
import type { RoomCredential, RoomInfo, RoomRegistry } from "../../src/transport/room.ts";
import { WebRtcTransport } from "../../src/transport/webrtc.ts";
import type { PageSource } from "../model/page-source.ts";
import { PageRefusal } from "../page-refusal.ts";
import { askToPersist, knownSecrets, randomId, signallingToken } from "./identifiers.ts";
import { roomLink, secretAtDoor } from "./room-door.ts";
import type { RoomSettings } from "./room-settings.ts";
import { RoomSource } from "./room-source.ts";
import { storageQuotaBytes } from "./storage-quota.ts";
import { tabClock } from "./tab-clock.ts";
import { TabLock } from "./tab-lock.ts";
import type { BroadcastLike } from "./tab-lock.ts";
import { TabMember } from "./tab-member.ts";
import type { TabTransport } from "./tab-member.ts";

/** The server's own machine needs nobody's help to find itself. */
const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const INSECURE =
  "A room needs https, or localhost: a browser gives other pages no locks for a member’s storage and no cryptography for " +
  "its secret. The edge cluster’s page works here.";

/** Rejects with what is wrong in the address, for people. */
export async function startRoom(room: string, location: Location): Promise<PageSource> {
  if (!isSecureContext) throw new PageRefusal(INSECURE);
  const name = `quorate/room/${room}`;
  const registryWith = (secret: string | undefined): RoomRegistry =>
    roomRegistry(location.origin, room, credentialOf(room, secret), (url, init) => fetch(url, init));
  const { given, options: settings } = await settingsOf(location.search);
  const { search, hash } = location;
  const secrets = knownSecrets(room);
  const ask = (tried: string | undefined): Promise<RoomInfo> => registryWith(tried).info();
  const secret = await secretAtDoor({ room, search, hash, secrets, ask, hasStore: () => hasDatabase(name) });
  const registry = registryWith(secret);
  const link = roomLink(location.origin, room, given, secret);
  history.replaceState(history.state, "", link);
  // Another secret is another room, which begins with a page of its own.
  addEventListener("hashchange", () => location.reload());
  const source = new RoomSource(room, link, secret === undefined, {
    takeOver: () => lock.takeOver(),
    joinOther: () => void tab.leave().finally(() => location.reload()),
    foundAnew: () => void tab.foundAnew(),
    deleteStore: () => void tab.leave().finally(() => location.reload()),
    reload: () => location.reload(),
  });
  const tab = new TabMember({
    registry,
    openStorage: () => openIndexedDbStorage({ name }),
    deleteStorage: () => deleteIndexedDb(name),
    openTransport: (id, onSignalling) => openTransport({ room, secret, registry, location }, id, onSignalling),
    quotaBytes: () => storageQuotaBytes(() => navigator.storage.estimate()),
    settings,
    clock: tabClock,
    newId: randomId,
    late: source.late,
    onRefused: () => secrets.forget(),
    onChange: (state) => source.stateChanged(state),
    onRunning: (member) => {
      source.running(member);
      void askToPersist();
    },
  });
  const lock = new TabLock({
    name: `quorate:room:${room}`,
    locks: navigator.locks,
    broadcast,
    nowMs: () => performance.now(),
    every: (intervalMs, run) => {
      const timer = setInterval(run, intervalMs);
      return () => clearInterval(timer);
    },
    onWaiting: (isHolderSilent) => source.stateChanged({ type: "waiting", isHolderSilent }),
    onHeld: () => void tab.open(),
    onLost: () => tab.stop("stopped", "Another tab of this browser has taken this room over."),
  });
  // The library that brings WebRTC is large: it comes while the store opens, and is taken when it is needed.
  void import("../../src/transport/peerjs.ts").catch(() => {});
  acquire(lock, tab);
  watchPage(tab, lock);
  return source;
}

/** Most rooms have none, and need not load how they are read. */
async function settingsOf(search: string): Promise<RoomSettings> {
  const names = [...new URLSearchParams(search).keys()];
  if (names.every((name) => name === "room" || name === "open")) return { given: {}, options: {} };
  return (await import("./room-settings.ts")).roomSettings(search);
}

function acquire(lock: TabLock, tab: TabMember): void {
  lock.acquire().catch((error: unknown) => {
    tab.stop("storage", `The browser gives this page no lock for its storage: ${String(error)}`);
  });
}

function broadcast(name: string, heard: (message: unknown) => void): BroadcastLike {
  const channel = new BroadcastChannel(name);
  channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => heard(data));
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    say: (message) => channel.postMessage(message),
    close: () => channel.close(),
  };
}

interface Way {
  readonly room: string;
  readonly secret: string | undefined;
  readonly registry: RoomRegistry;
  readonly location: Location;
}

async function openTransport(
  { room, secret, registry, location: { origin, hostname } }: Way,
  id: MemberId,
  onSignalling: (state: SignallingState, text: string) => void,
): Promise<TabTransport> {
  const [{ peerJsPort }, { newCertificate }] = await Promise.all([
    import("../../src/transport/peerjs.ts"),
    import("../../src/transport/dtls.ts"),
  ]);
  const port = peerJsPort({
    id,
    baseUrl: origin,
    room,
    token: signallingToken(room),
    certificate: await newCertificate(),
    ...(secret === undefined ? {} : { ticket: (peerId, token) => registry.ticket(peerId, token) }),
    ...(LOCAL_HOST.test(hostname) ? { iceServers: [] } : {}),
  });
  return new WebRtcTransport({ id, port, greetingKey: roomKeys(room, secret).greeting, onSignalling });
}

function credentialOf(room: string, secret: string | undefined): RoomCredential {
  const { registry } = roomKeys(room, secret);
  return registry === undefined ? { type: "open" } : { type: "key", key: registry };
}

/** A browser that does not list its databases is taken to have none. */
async function hasDatabase(name: string): Promise<boolean> {
  try {
    return (await indexedDB.databases()).some((database) => database.name === name);
  } catch {
    return false;
  }
}

function watchPage(tab: TabMember, lock: TabLock): void {
  addEventListener("online", () => tab.retryNow());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) tab.retryNow();
  });
  // The others need not wait until they notice that this one is gone.
  addEventListener("pagehide", () => {
    tab.stop("stopped", "The page was left.");
    lock.release();
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload();
  });
}
