/** Composes a tab's member from what the browser has: locks, IndexedDB, WebRTC, the signalling server of the room. */
import { SYSTEM_BACKOFF } from "../client/common/backoff.ts";
import { loadedOnce } from "../member/api/loaded-once.ts";
import type { FlaggedOptions } from "../member/flags.ts";
import type { Services } from "../member/api/services.ts";
import type { Member } from "../member/node/member.ts";
import { deleteIndexedDb, openIndexedDbStorage } from "../storage/indexeddb/indexeddb.ts";
import { hasRoom } from "../storage/indexeddb/indexeddb-room.ts";
import { StorageError } from "../storage/storage-error.ts";
import type { HeldBytes, Storage } from "../storage/storage.ts";
import { randomId } from "./entrance/identifiers.ts";
import { ownKey } from "./entrance/own-key.ts";
import { openTransport } from "./member/open-transport.ts";
import type { TransportOptions } from "./member/open-transport.ts";
import type { EdgeMemory, RoomShape } from "./common/room-edge.ts";
import type { RoomPlace } from "./entrance/room-place.ts";
import { roomFullText } from "./room-full.ts";
import { after, every, soon } from "./common/timers.ts";
import { storageQuotaBytes } from "./common/storage-quota.ts";
import type { SwitchableServices } from "./common/switchable-services.ts";
import { tabClock } from "./member/tab-clock.ts";
import { checkedClock, checkedServices, checkedTransport, passed } from "./tabs/checked-inputs.ts";
import { HolderCheck } from "./tabs/holder-check.ts";
import type { PersonsRequest, RoomNews } from "./tabs/room-news.ts";
import type { ServedTab } from "./tabs/served-tab.ts";
import { TabLock } from "./tabs/tab-lock.ts";
import { OwnLock, whenFree } from "./tabs/own-lock.ts";
import { newTabId, tabMessage } from "./tabs/tab-message.ts";
import type { TabMessage } from "./tabs/tab-message.ts";
import type { TabServer } from "./tabs/tab-server.ts";
import { TabMember } from "./member/tab-member.ts";
import type { TabState } from "./common/tab-state.ts";

export interface RoomSessionOptions extends TransportOptions {
  readonly settings: FlaggedOptions;
  readonly edges: EdgeMemory;
  readonly services: SwitchableServices;
  readonly onRefused: () => void;
  readonly onChange: (state: TabState) => void;
  readonly onRunning: (member: Member) => void;
  /** What the tab that serves this one tells; undefined while none does. */
  readonly onServed: (news: RoomNews | undefined) => void;
  /** Another tab has taken the lock over: another session follows. */
  readonly onLost: () => void;
  /** Another tab of this profile leaves the room, for all of them. */
  readonly onLeft: () => void;
  /** For the tabs that this one serves. */
  readonly news: () => RoomNews;
  readonly onRequest: (request: PersonsRequest) => void;
}

const OTHER_TAB = "the room is taken over from another tab of this browser profile";
const LAST_CALLS_MS = 1_000;
const LEAVE_WITHIN_MS = 5_000;
/** After the start, when the page is drawn and the first elections are over. */
const LOAD_AFTER_MS = 3_000;

/**
 * From the lock to its release. While another tab has the lock, this one is served by it; while this one has it, it
 * serves the others.
 */
export class RoomSession {
  readonly #options: RoomSessionOptions;
  readonly #id: string = newTabId();
  readonly #tab: TabMember;
  readonly #lock: TabLock;
  readonly #check: HolderCheck;
  readonly #tabs: BroadcastChannel;
  readonly #own: OwnLock;
  readonly #server: () => Promise<TabServer>;
  #running: TabServer | undefined;
  /** The member of this tab, for the others. */
  #given: { readonly services: Services; readonly member: Member } | undefined;
  #served: ServedTab | undefined;
  /** Muted: another session follows, or the page is not shown. */
  #isSuspended = false;
  #isFollowing = false;

  constructor(options: RoomSessionOptions) {
    this.#options = options;
    this.#own = new OwnLock(channelOf(options.place, this.#id));
    this.#check = new HolderCheck({
      isHeld: () => this.#own.isBesideLock(options.place.lock),
      nowMs: () => performance.now(),
      after,
      onLost: () => this.#lock.lost(),
    });
    this.#server = loadedOnce(() => this.#loadServer());
    this.#tab = this.#newMember(options);
    this.#lock = this.#newLock(options);
    this.#tabs = new BroadcastChannel(options.place.lock);
    this.#tabs.addEventListener("message", ({ data }: MessageEvent<unknown>) => this.#heard(data));
  }

  start(): void {
    const begin = async (): Promise<void> => {
      await this.#own.acquire();
      await this.#lock.acquire();
    };
    begin().catch((error: unknown) => {
      this.#tab.stop("storage", `The browser gives this page no lock for its storage: ${String(error)}`);
    });
  }

  /** The page woke up, or the network is back. */
  retryNow(): void {
    this.#tab.retryNow();
  }

  /** Another tab, or another profile, should lead: this page is no longer seen. */
  yieldLeadership(): void {
    void this.#tab.yieldLeadership();
  }

  takeOver(): void {
    this.#lock.takeOver();
  }

  /** Something that the tabs that are served show has changed. */
  changed(): void {
    this.#running?.tell();
  }

  /** The member's numbers have changed. */
  progressed(): void {
    this.#running?.progressed();
  }

  /** Whether the page shows numbers of the member, wherever that is. */
  follow(isFollowing: boolean): void {
    this.#isFollowing = isFollowing;
    this.#served?.follow(isFollowing);
  }

  /** The news that are shown may be old. */
  refresh(): void {
    this.#served?.refresh();
  }

  async foundAnew(): Promise<void> {
    if (this.#served === undefined) await this.#tab.foundAnew();
    else this.#served.ask("foundAnew");
  }

  /** Only in the tab that has the member. */
  reshape(shape: RoomShape): Promise<void> {
    return this.#tab.reshape(shape);
  }

  /** Only in the tab that has the member. */
  recover(snapshot?: Uint8Array): Promise<void> {
    return this.#tab.recover(snapshot);
  }

  /** At once, because the page is being left or frozen: the others need not wait until they notice. */
  suspend(text: string): void {
    if (this.#isSuspended) return;
    this.#isSuspended = true;
    this.#leaveOthers();
    const end = (): void => {
      this.#check.end();
      this.#tab.stop("stopped", text);
      void this.#release();
    };
    const isHandedOver = this.#tab.transferLeadership();
    if (this.#tab.sayGoodbye() || isHandedOver) soon(end);
    else end();
  }

  /** Another member leads, the storage is closed and the lock is free when it resolves. */
  async close(text: string): Promise<void> {
    await this.#running?.settled(LAST_CALLS_MS);
    this.#leaveOthers();
    await this.#tab.close(text);
    await this.#release();
  }

  /** Closes, and deletes what is stored here of the room. Of a tab that is served: the one that serves it does. */
  async leave(): Promise<void> {
    if (this.#served !== undefined) {
      this.#served.ask("leave");
      await SYSTEM_BACKOFF.sleep(LEAVE_WITHIN_MS, this.#own.over);
      return this.close("This browser leaves the room.");
    }
    try {
      this.#send({ type: "left", tab: this.#id });
      this.#leaveOthers();
      await this.#tab.leave();
    } finally {
      await this.#release();
    }
  }

  #newMember({ place, services, registry, settings, ...options }: RoomSessionOptions): TabMember {
    const check = this.#check;
    return new TabMember({
      registry,
      openStorage: () => this.#openStorage(),
      readStorage: async () => {
        const reading = await import("../storage/indexeddb/indexeddb-reading.ts").catch(() => undefined);
        await passed(check);
        return reading?.readIndexedDb(place.database, (held) => roomFullText(held, place.key));
      },
      hasRoom: async () => {
        await passed(check);
        return hasRoom(place.database);
      },
      deleteStorage: async () => {
        await passed(check);
        await deleteIndexedDb(place.database);
      },
      replaceStorage: async (identity, fill) => {
        const { replaceIndexedDb } = await import("../storage/indexeddb/indexeddb-replace.ts");
        await passed(check);
        await replaceIndexedDb(place.database, identity, fill);
      },
      openTransport: async (...given) => checkedTransport(await openTransport(this.#options, ...given), check),
      edge: () => this.#options.edges.get(),
      quotaBytes: () => storageQuotaBytes(() => navigator.storage.estimate()),
      settings,
      ownKey: () => ownKey(place.key),
      clock: checkedClock(tabClock, check),
      newId: randomId,
      late: {
        ...services,
        attach: (given) => services.attach(checkedServices(given, check)),
        detach: (text) => {
          this.#given = undefined;
          this.#running?.detach(text);
          services.detach(text);
        },
        hold: (text) => {
          this.#given = undefined;
          this.#running?.detach(text);
          services.hold(text);
        },
        // A suspended page comes back, and its callers may try again.
        end: (text) => {
          this.#given = undefined;
          this.#running?.end(text);
          if (this.#isSuspended) services.detach(text);
          else services.end(text);
        },
      },
      onRefused: options.onRefused,
      onChange: (state) => {
        if (!this.#isSuspended) options.onChange(state);
      },
      onRunning: (member, given) => {
        this.#given = { member, services: checkedServices(given, check) };
        this.#running?.attach(this.#given.services, member);
        options.onRunning(member);
      },
    });
  }

  #newLock({ place, services, onChange, onLost }: RoomSessionOptions): TabLock {
    return new TabLock({
      name: place.lock,
      tab: this.#id,
      locks: navigator.locks,
      send: (message) => this.#send(message),
      every,
      after,
      onWaiting: () => {
        services.hold(OTHER_TAB);
        onChange({ type: "waiting" });
      },
      onHolder: (holder) => void this.#connect(holder),
      // A lock that was granted to a tab that did not run may be another's by now.
      onHeld: () => this.#check.run(() => this.#held()),
      onLost: () => {
        this.suspend(OTHER_TAB);
        onLost();
      },
    });
  }

  /** Whoever finds another's hand on its store has lost the lock, and has not heard of it yet. */
  async #openStorage(): Promise<Storage> {
    const onReplaced = (): void => this.#lock.lost();
    await passed(this.#check);
    try {
      const { database, key } = this.#options.place;
      const explainFull = (held: HeldBytes | undefined): Promise<string> => roomFullText(held, key);
      return await openIndexedDbStorage({ name: database, onReplaced, explainFull });
    } catch (error) {
      if (error instanceof StorageError && error.kind === "replaced") onReplaced();
      throw error;
    }
  }

  #send(message: TabMessage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    if (!this.#own.over.aborted) this.#tabs.postMessage(message);
  }

  #heard(data: unknown): void {
    const message = tabMessage(data);
    if (message === undefined || message.tab === this.#id || this.#isSuspended) return;
    if (message.type === "connect") {
      if (message.holder === this.#id && this.#lock.isHolder) void this.#serve(message.tab);
    } else if (message.type === "left") {
      this.suspend("another tab leaves the room");
      this.#options.onLeft();
    } else this.#lock.heard(message);
  }

  async #release(): Promise<void> {
    const released = this.#lock.release();
    this.#own.release();
    this.#tabs.close();
    await released;
  }

  #leaveOthers(): void {
    this.#dropServed();
    this.#running?.close();
    this.#running = undefined;
  }

  // ── this tab has the member ──────────────────────────────────────────────────────────────────────────────────

  #held(): void {
    this.#dropServed();
    this.#options.onServed(undefined);
    void this.#tab.open();
    // It does not wait for a call, because a tab may live longer than the server that it came from.
    setTimeout(() => void this.#server().catch(() => {}), LOAD_AFTER_MS);
  }

  async #serve(tab: string): Promise<void> {
    try {
      (await this.#server()).connect(tab);
    } catch {
      // It asks again.
    }
  }

  async #loadServer(): Promise<TabServer> {
    const { TabServer: Server } = await import("./tabs/tab-server.ts");
    const { place, news, onRequest } = this.#options;
    const server = new Server({
      channelOf: (tab) => channelOf(place, tab),
      news,
      onRequest,
      whenGone: (tab, signal, gone) => whenFree(channelOf(place, tab), signal, gone),
    });
    if (this.#isSuspended || this.#own.over.aborted) server.close();
    this.#running = server;
    if (this.#given !== undefined) server.attach(this.#given.services, this.#given.member);
    return server;
  }

  // ── another tab has it ───────────────────────────────────────────────────────────────────────────────────────

  /** Calls under way are repeated where nothing was sent, and wait from now on. */
  #dropServed(): void {
    if (this.#served === undefined) return;
    this.#options.services.hold(OTHER_TAB);
    this.#served.close();
    this.#served = undefined;
  }

  async #connect(holder: string): Promise<void> {
    const { services, onServed } = this.#options;
    this.#dropServed();
    onServed(undefined);
    try {
      const { ServedTab: Served } = await import("./tabs/served-tab.ts");
      if (this.#isSuspended || !this.#lock.isWaitingFor(holder)) return;
      const served = new Served({
        channel: channelOf(this.#options.place, this.#id),
        onOpen: (given) => services.attach(given),
        onNews: onServed,
        onLost: () => {
          if (this.#served !== served) return;
          this.#served = undefined;
          services.hold(OTHER_TAB);
          onServed(undefined);
          this.#lock.forgetHolder();
        },
      });
      served.follow(this.#isFollowing);
      this.#served = served;
      this.#send({ type: "connect", tab: this.#id, holder });
    } catch {
      this.#lock.forgetHolder();
    }
  }
}

/** Names a tab's own lock and its channel. */
function channelOf({ lock }: RoomPlace, tab: string): string {
  return `${lock}/${tab}`;
}
