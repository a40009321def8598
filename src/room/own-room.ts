/** A room as the page that opened it has it: who may come in, the session of its member, and what is true of it now. */
import { Connection } from "../client/app/connection.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { MemberView, MemberViewPeer } from "../member/api/services.ts";
import type { Member } from "../member/node/member.ts";
import { memberView } from "../member/services/member-view.ts";
import { Listeners } from "./common/listeners.ts";
import { deferred } from "./common/deferred.ts";
import type { Deferred } from "./common/deferred.ts";
import { OpenRoomError } from "./common/errors.ts";
import { askToPersist } from "./entrance/identifiers.ts";
import type { Room } from "./room-client.ts";
import type { InvitationHost, InviteOptions, NewRoomInvitation, RoomInvitation } from "./member/invitations.ts";
import type { RoomShape } from "./common/room-edge.ts";
import { watchPage } from "./page-events.ts";
import { standingOf } from "./room-connection.ts";
import { RoomSession } from "./room-session.ts";
import type { RoomSessionOptions } from "./room-session.ts";
import { invitations, invite, revoke } from "./inviting.ts";
import { roomStatus } from "./room-status.ts";
import type { RoomNews } from "./tabs/room-news.ts";
import { switchableServices } from "./common/switchable-services.ts";
import type { SwitchableServices } from "./common/switchable-services.ts";
import type { TabState } from "./common/tab-state.ts";

/** What is decided before anything of the room is opened. */
export type Admission = Pick<RoomSessionOptions, "secret" | "invitation" | "registry" | "settings" | "onRefused">;

export interface OwnRoomOptions extends Pick<RoomSessionOptions, "place" | "iceServers" | "edges"> {
  readonly open: boolean;
  readonly shapeAsked: RoomShape | undefined;
  readonly persist: boolean;
  /** Rejects with OpenRoomError. */
  readonly admit: () => Promise<Admission>;
  /** Called once, at the beginning of the end; `closed` does not reject. */
  /** Releases what the client holds. Resolves when that is done, or has lasted too long. */
  readonly onEnd: (closed: Promise<void>) => Promise<void>;
}

const OTHER_HAS_MEMBER =
  "another tab of this browser profile has the room’s member: do it there, or call takeOver() first";
const INVITED = "only members that know the room’s secret found it anew";
const NO_MEMBER = "this tab has no member of its room yet";
const CLOSED = "The room was closed.";
const LEFT = "This browser left the room, in another of its tabs.";
const LAST_CALLS_MS = 1_000;

export class OwnRoom implements Room {
  readonly name: string;
  readonly services: SwitchableServices;
  readonly connection: Connection = new Connection();
  readonly #options: OwnRoomOptions;
  readonly #admitted: Deferred = deferred();
  readonly #opened: Deferred = deferred();
  readonly #ready: Deferred = deferred();
  readonly #connected: Deferred = deferred();
  readonly #over: AbortController = new AbortController();
  #admission: Admission | undefined;
  #session: RoomSession | undefined;
  /** Of the tab that serves this one. */
  #news: RoomNews | undefined;
  /** The session was ended because the page is not shown, and another begins when it is. */
  #isAway = false;
  #state: TabState = { type: "opening" };
  #member: Member | undefined;
  readonly #listeners: Listeners = new Listeners((isUsed) => this.#session?.follow(isUsed));
  /** Ends the notices of the member. */
  #unwatch: () => void = () => {};
  #closed: Promise<void> | undefined;

  constructor(options: OwnRoomOptions) {
    this.name = options.place.name;
    this.#options = options;
    this.services = switchableServices((ofMember) =>
      roomStatus(this.#news?.state ?? this.#state, ofMember, this.#viewNow),
    );
    this.#look();
  }

  get admitted(): Promise<void> {
    return this.#admitted.promise;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when this tab has a copy of the room that can be read. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  get #awaited(): readonly Deferred[] {
    return [this.#admitted, this.#opened, this.#ready, this.#connected];
  }

  get secret(): string | undefined {
    return this.#admission?.secret;
  }

  get isOpen(): boolean {
    return this.#options.open;
  }

  get shape(): RoomShape | undefined {
    const state = this.#news?.state ?? this.#state;
    return state.type === "running" ? state.shape : undefined;
  }

  get shapeAsked(): RoomShape | undefined {
    const [{ shapeAsked }, { shape }] = [this.#options, this];
    return shape === undefined || shape === shapeAsked ? undefined : shapeAsked;
  }

  get link(): string | undefined {
    if (this.#admission === undefined) return undefined;
    const url = new URL(location.href);
    const { invitation, secret } = this.#admission;
    // An invitation is its holder's.
    if (invitation !== undefined) return undefined;
    url.hash = secret === undefined ? "" : `k=${secret}`;
    return url.href;
  }

  get state(): TabState {
    return this.#news === undefined ? this.#state : { type: "served", holder: this.#news.state };
  }

  /** Of a tab that is served, what was told last; it is asked for again. */
  get view(): MemberView | undefined {
    if (this.#news !== undefined) this.#session?.refresh();
    return this.#viewNow;
  }

  get #viewNow(): MemberView | undefined {
    if (this.#news !== undefined) return this.#news.view;
    return this.#member === undefined ? undefined : memberView(this.#member);
  }

  get members(): readonly MemberViewPeer[] {
    return this.view?.members ?? [];
  }

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Comes in when `free` resolves. Does not reject. */
  async start(free: Promise<void>): Promise<void> {
    try {
      await free;
      const admission = await this.#options.admit();
      if (this.#closed !== undefined) return;
      this.#admission = admission;
      this.#admitted.resolve();
      this.#watchPage();
      this.#begin(admission);
    } catch (error) {
      this.#refuse(error instanceof Error ? error : new Error(String(error)));
    }
  }

  get invited(): "member" | "reader" | undefined {
    const view = this.#viewNow;
    return view?.members.find(({ id }) => id === view.id)?.invited;
  }

  async invite(options: InviteOptions = {}): Promise<NewRoomInvitation> {
    return invite(this.#inviter(), options);
  }

  async invitations(): Promise<readonly RoomInvitation[]> {
    return invitations(this.#inviter());
  }

  async revoke(id: string): Promise<void> {
    await revoke(this.#inviter(), id);
  }

  /** Throws EtcdError. */
  #inviter(): InvitationHost {
    if (this.#news !== undefined) throw new EtcdError(GrpcCode.FailedPrecondition, OTHER_HAS_MEMBER);
    const [member, admission] = [this.#member, this.#admission];
    if (member === undefined || admission === undefined) throw new EtcdError(GrpcCode.Unavailable, NO_MEMBER);
    const { secret, registry } = admission;
    return { room: this.#options.place.name, secret, member, registry, nowMs: Date.now() };
  }

  takeOver(): void {
    this.#session?.takeOver();
  }

  async foundAnew(): Promise<void> {
    await this.#session?.foundAnew();
  }

  async reshape(shape: RoomShape): Promise<void> {
    await this.#ownSession.reshape(shape);
  }

  /** Throws EtcdError where this tab has no member. */
  get #ownSession(): RoomSession {
    const session = this.#session;
    if (session === undefined) throw new EtcdError(GrpcCode.FailedPrecondition, "this tab has no member of its room");
    if (this.#news !== undefined) throw new EtcdError(GrpcCode.FailedPrecondition, OTHER_HAS_MEMBER);
    return session;
  }

  async recover(snapshot?: Blob | Uint8Array): Promise<void> {
    const session = this.#ownSession;
    if (this.invited !== undefined) throw new EtcdError(GrpcCode.FailedPrecondition, INVITED);
    const bytes = snapshot instanceof Blob ? new Uint8Array(await snapshot.arrayBuffer()) : snapshot;
    try {
      await session.recover(bytes);
    } catch (error) {
      if (error instanceof EtcdError) throw error;
      throw new EtcdError(GrpcCode.FailedPrecondition, error instanceof Error ? error.message : String(error));
    }
  }

  leave(): Promise<void> {
    return this.#endWith("This browser left the room.", (session) => session.leave());
  }

  /** Does not reject. */
  close(): Promise<void> {
    return this.#endWith(CLOSED, (session) => session.close(CLOSED));
  }

  #endWith(text: string, how: (session: RoomSession) => Promise<void>): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    let released = Promise.resolve();
    const closed = Promise.resolve().then(() => this.#end(text, released, how));
    this.#closed = closed;
    released = this.#options.onEnd(closed.catch(() => {}));
    return closed;
  }

  async #end(text: string, released: Promise<void>, how: (session: RoomSession) => Promise<void>): Promise<void> {
    // Whoever waited is told what for.
    const { state, reason } = standingOf(this.#state, this.view, Date.now());
    const why = state === "connected" || reason === "" ? "the room was closed" : `the room was closed. ${reason}`;
    // What was held is released, and is still answered.
    await Promise.all([released, this.services.settled(LAST_CALLS_MS)]);
    const session = this.#session;
    this.#session = undefined;
    this.#over.abort();
    // The last thing that is shown, whatever the session still reports.
    this.#state = { type: "stopped", code: "stopped", text, isDamaged: false };
    this.#news = undefined;
    for (const waited of this.#awaited) waited.reject(new EtcdError(GrpcCode.Canceled, why));
    if (session !== undefined) await how(session);
    this.#forget();
    this.services.end("the room is closed");
  }

  #begin(admission: Admission): void {
    const { place, iceServers, edges, persist } = this.#options;
    this.#session = new RoomSession({
      ...admission,
      place,
      iceServers,
      edges,
      services: this.services,
      onChange: (state) => this.#changed(state),
      onRunning: (member) => {
        this.#running(member);
        if (persist) void askToPersist();
      },
      onServed: (news) => this.#served(news),
      onLost: () => void this.#beginAgain(),
      onLeft: () => this.#left(),
      news: () => ({ type: "news", state: this.#state, view: this.#viewNow }),
      onRequest: (request) => void (request === "leave" ? this.leave() : this.foundAnew()),
    });
    this.#session.follow(this.#listeners.isUsed);
    this.#session.start();
  }

  #refuse(error: Error): void {
    const text = error.message;
    for (const waited of this.#awaited) waited.reject(error);
    this.services.end(text);
    this.#changed({ type: "stopped", code: "refused", text, isDamaged: false });
  }

  #changed(state: TabState): void {
    if (this.#over.signal.aborted) return;
    this.#state = state;
    if (state.type === "opening") this.#forget();
    if (state.type === "stopped") {
      const error =
        state.code === "refused"
          ? new OpenRoomError(state.refusal ?? "key-wrong", state.text)
          : new EtcdError(GrpcCode.FailedPrecondition, state.text);
      for (const waited of [this.#opened, this.#ready, this.#connected]) waited.reject(error);
    }
    this.#look();
  }

  #running(member: Member): void {
    this.#forget();
    this.#member = member;
    const unwatch = [
      member.whenAvailabilityChanges(() => this.#look()),
      member.whenViewChanges(() => {
        this.#session?.progressed();
        this.#listeners.notify();
      }),
    ];
    this.#unwatch = () => unwatch.forEach((end) => end());
    this.#opened.resolve();
    this.#look();
  }

  #served(news: RoomNews | undefined): void {
    if (this.#over.signal.aborted) return;
    this.#news = news;
    if (news?.state.type === "running") this.#opened.resolve();
    this.#look();
  }

  #forget(): void {
    this.#unwatch();
    this.#member = undefined;
  }

  /** Called whenever the tab's state or its member's availability has changed. */
  #look(): void {
    const view = this.#viewNow;
    const { state, reason, since } = standingOf(this.state, view, Date.now());
    this.connection.set(state, reason, since, this.#news !== undefined);
    if (this.#isOfRoom(view)) this.#ready.resolve();
    if (state === "connected") this.#connected.resolve();
    this.#session?.changed();
    this.#listeners.notify();
  }

  /** Of a tab that is served: the member in the other tab is. */
  #isOfRoom(view: MemberView | undefined): boolean {
    if (this.#news === undefined) return this.#member?.machine.membership.has(this.#member.id) === true;
    return view?.members.some(({ id }) => id === view.id) === true;
  }

  #watchPage(): void {
    const handlers = {
      onOnline: () => this.#session?.retryNow(),
      onSeen: () => this.#seen(),
      onAway: (text: string) => this.#goAway(text),
      onBack: () => this.#comeBack(),
    };
    watchPage(handlers, this.#over.signal);
  }

  /** What was true when the page was frozen or hidden may not be true now. */
  #seen(): void {
    this.#look();
    if (document.hidden) this.#session?.yieldLeadership();
    else this.#session?.retryNow();
  }

  /** Another tab has deleted what this browser stores of the room. */
  #left(): void {
    this.#session = undefined;
    this.#news = undefined;
    this.services.end(LEFT);
    this.#changed({ type: "stopped", code: "stopped", text: LEFT, isDamaged: false });
  }

  #goAway(text: string): void {
    this.#isAway = true;
    this.#session?.suspend(text);
  }

  /** The browser kept the page as it was, without its member: another one begins where that ended. */
  #comeBack(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    void this.#beginAgain();
  }

  /** The former session has ended, or has been suspended. */
  async #beginAgain(): Promise<void> {
    const [former, admission] = [this.#session, this.#admission];
    if (former === undefined || admission === undefined) return;
    this.#news = undefined;
    this.services.hold("this tab comes back into the room");
    this.#changed({ type: "opening" });
    await former.close("The page was left.");
    if (this.#closed === undefined && this.#session === former && !this.#isAway) this.#begin(admission);
  }
}
