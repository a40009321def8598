/** The tab with the member serves the other tabs of its profile. Each of them is a caller of its own. */
import { serveMux } from "../../gateway/stream/mux-server.ts";
import type { MemberView, Services } from "../../member/api/services.ts";
import type { Member } from "../../member/node/member.ts";
import { limitedServices } from "../../member/services/limited-services.ts";
import { switchableServices } from "../common/switchable-services.ts";
import type { SwitchableServices } from "../common/switchable-services.ts";
import { tabRequest } from "./room-news.ts";
import type { PersonsRequest, RoomNews } from "./room-news.ts";
import { TabSocket } from "./tab-socket.ts";

export interface TabServerOptions {
  readonly channelOf: (tab: string) => string;
  readonly news: () => RoomNews;
  readonly onRequest: (request: PersonsRequest) => void;
  /** Calls back when that tab is gone, unless the signal has aborted. */
  readonly whenGone: (tab: string, signal: AbortSignal, gone: () => void) => void;
}

/** A person has fewer, and each costs a channel. */
const TABS_MAX = 64;
/** The largest request of a member, and what is around it. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
const STREAMS_MAX = 4_096;
/** Locks tell when a tab is gone, so silence says nothing. In ms, within what a timer can wait. */
export const NEVER_MS: number = 2 ** 30;

/** Between two news of the member's numbers, in ms. */
const PROGRESS_EVERY_MS = 250;

interface Served {
  readonly socket: TabSocket;
  readonly over: AbortController;
  /** It shows the member's numbers. */
  isFollowing: boolean;
}

export class TabServer {
  readonly #options: TabServerOptions;
  readonly #tabs: Map<string, Served> = new Map();
  readonly #others: SwitchableServices = switchableServices((view) => view as MemberView);
  #isClosed = false;
  #progress: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TabServerOptions) {
    this.#options = options;
    this.#others.hold("the member of this browser profile has not started yet");
  }

  /** The member from now on. */
  attach(services: Services, member: Member): void {
    this.#others.attach(limitedServices(services, member));
  }

  detach(text: string): void {
    this.#others.hold(text);
  }

  end(text: string): void {
    this.#others.end(text);
  }

  /** Resolves when no call about keys or leases is under way, or after so long. */
  settled(withinMs: number): Promise<void> {
    return this.#others.settled(withinMs);
  }

  /** A tab that asks again begins anew. */
  connect(tab: string): void {
    this.#drop(tab);
    if (this.#isClosed || this.#tabs.size >= TABS_MAX) return;
    const { channelOf, news, whenGone } = this.#options;
    const { services } = this.#others;
    const socket = new TabSocket(channelOf(tab), (data) => this.#asked(tab, socket, data));
    const over = new AbortController();
    this.#tabs.set(tab, { socket, over, isFollowing: false });
    socket.addEventListener("close", () => this.#drop(tab, socket));
    const limits = { maxMessageBytes: MESSAGE_BYTES_MAX, maxStreams: STREAMS_MAX };
    const peer = { token: "", requireLeader: false, address: `tab-${tab}` };
    serveMux(services, socket, { ...limits, silentAfterMs: NEVER_MS, unusedAfterMs: NEVER_MS }, peer);
    socket.open();
    socket.tell(news());
    whenGone(tab, over.signal, () => this.#drop(tab, socket));
  }

  /** Tells all tabs what is so now. */
  tell(): void {
    const news = this.#tabs.size === 0 ? undefined : this.#options.news();
    for (const { socket } of this.#tabs.values()) socket.tell(news);
  }

  /** Tells the tabs that follow, once for all that happens within a short time. */
  progressed(): void {
    if (this.#progress !== undefined || this.#followers.length === 0) return;
    this.#progress = setTimeout(() => {
      this.#progress = undefined;
      const news = this.#options.news();
      for (const { socket } of this.#followers) socket.tell(news);
    }, PROGRESS_EVERY_MS);
  }

  /** Calls under way fail at their callers, with an outcome that is not known. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#progress);
    for (const tab of this.#tabs.keys()) this.#drop(tab);
  }

  get #followers(): readonly Served[] {
    return [...this.#tabs.values()].filter(({ isFollowing }) => isFollowing);
  }

  #asked(tab: string, socket: TabSocket, data: unknown): void {
    const request = tabRequest(data);
    const served = this.#tabs.get(tab);
    if (request === undefined || served?.socket !== socket) return;
    if (request === "foundAnew" || request === "leave") return this.#options.onRequest(request);
    if (request !== "look") served.isFollowing = request === "follow";
    if (request !== "unfollow") socket.tell(this.#options.news());
  }

  #drop(tab: string, socket?: TabSocket): void {
    const served = this.#tabs.get(tab);
    if (served === undefined || (socket !== undefined && served.socket !== socket)) return;
    this.#tabs.delete(tab);
    served.over.abort();
    served.socket.close();
  }
}
