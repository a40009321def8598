/** Composes a tab's member from what the browser has: locks, IndexedDB, WebRTC, the signalling server of the room. */
import type { FlaggedOptions } from "../member/flags.ts";
import type { Member } from "../member/node/member.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import { deleteIndexedDb, openIndexedDbStorage } from "../storage/indexeddb/indexeddb.ts";
import type { SignallingState } from "../transport/channel.ts";
import { roomKeys } from "../transport/room-secret.ts";
import type { RoomRegistry } from "../transport/room.ts";
import { WebRtcTransport } from "../transport/webrtc.ts";
import { profileMemory, randomId, signallingToken } from "./identifiers.ts";
import type { RoomPlace } from "./room-place.ts";
import { storageQuotaBytes } from "./storage-quota.ts";
import type { SwitchableServices } from "./switchable-services.ts";
import { tabClock } from "./tab-clock.ts";
import { TabLock } from "./tab-lock.ts";
import type { BroadcastLike } from "./tab-lock.ts";
import { TabMember } from "./tab-member.ts";
import type { TabTransport } from "./tab-member.ts";
import type { TabState } from "./tab-state.ts";

export interface RoomSessionOptions {
  readonly place: RoomPlace;
  /** Undefined: for an open room. */
  readonly secret: string | undefined;
  readonly registry: RoomRegistry;
  readonly settings: FlaggedOptions;
  readonly iceServers: readonly RTCIceServer[] | undefined;
  readonly services: SwitchableServices;
  readonly onRefused: () => void;
  readonly onChange: (state: TabState) => void;
  readonly onRunning: (member: Member) => void;
}

/** From the lock to its release. A page that the browser keeps while it is away ends one, and begins another when it is back. */
export class RoomSession {
  readonly #tab: TabMember;
  readonly #lock: TabLock;
  #isSuspended = false;

  constructor(options: RoomSessionOptions) {
    const { place, services } = options;
    this.#tab = new TabMember({
      registry: options.registry,
      openStorage: () => openIndexedDbStorage({ name: place.database }),
      deleteStorage: () => deleteIndexedDb(place.database),
      replaceStorage: async (identity, fill) => {
        const { replaceIndexedDb } = await import("../storage/indexeddb/indexeddb-replace.ts");
        await replaceIndexedDb(place.database, identity, fill);
      },
      openTransport: (id, onSignalling) => openTransport(options, id, onSignalling),
      quotaBytes: () => storageQuotaBytes(() => navigator.storage.estimate()),
      settings: options.settings,
      memory: profileMemory(place.key),
      clock: tabClock,
      newId: randomId,
      // A suspended page comes back, and its callers may try again.
      late: { ...services, end: (text) => (this.#isSuspended ? services.detach(text) : services.end(text)) },
      onRefused: options.onRefused,
      onChange: (state) => {
        if (!this.#isSuspended) options.onChange(state);
      },
      onRunning: options.onRunning,
    });
    this.#lock = new TabLock({
      name: place.lock,
      locks: navigator.locks,
      broadcast,
      nowMs: () => performance.now(),
      every: (intervalMs, run) => {
        const timer = setInterval(run, intervalMs);
        return () => clearInterval(timer);
      },
      onWaiting: (isHolderSilent) => options.onChange({ type: "waiting", isHolderSilent }),
      onHeld: () => void this.#tab.open(),
      onLost: () => this.#tab.stop("stopped", "Another tab of this browser has taken this room over."),
    });
  }

  start(): void {
    this.#lock.acquire().catch((error: unknown) => {
      this.#tab.stop("storage", `The browser gives this page no lock for its storage: ${String(error)}`);
    });
  }

  /** The page woke up, or the network is back. */
  retryNow(): void {
    this.#tab.retryNow();
  }

  takeOver(): void {
    this.#lock.takeOver();
  }

  foundAnew(): Promise<void> {
    return this.#tab.foundAnew();
  }

  recover(snapshot?: Uint8Array): Promise<void> {
    return this.#tab.recover(snapshot);
  }

  /** At once, because the page is being left: the others need not wait until they notice. */
  suspend(text: string): void {
    this.#isSuspended = true;
    this.#tab.stop("stopped", text);
    void this.#lock.release();
  }

  /** Another member leads, the storage is closed and the lock is free when it resolves. */
  async close(text: string): Promise<void> {
    await this.#tab.close(text);
    await this.#lock.release();
  }

  /** Closes, and deletes what is stored here of the room. */
  async leave(): Promise<void> {
    try {
      await this.#tab.leave();
    } finally {
      await this.#lock.release();
    }
  }
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

async function openTransport(
  { place, secret, registry, iceServers }: RoomSessionOptions,
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
