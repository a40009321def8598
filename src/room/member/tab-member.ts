/**
 * The life of a tab's member, from the store to the room and, when it must begin anew, once more from the store.
 *
 *     open ──► enter ──► prepare ──► confirm ──► run ──► stopped
 *       ▲        │                      │         │
 *       └────────┴── discard the store ─┴─────────┘
 *
 * The tab holds the room's lock all the while (tab-lock.ts). What is decided on the way stands in entry.ts; here it is
 * done. A write that storage refuses ends it: a member does not go on in memory. If that is because the disk is full, the
 * stopped member goes on answering serializable reads, and another life begins when there is room, from what the disk
 * holds and under the same id (full-disk.ts). A store that cannot even be opened is read, and such a member made of it.
 */
import { Prng } from "../../base/prng.ts";
import type { ProblemCode } from "../../member/api/services.ts";
import type { Member } from "../../member/node/member.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { StorageError } from "../../storage/storage-error.ts";
import type { Storage } from "../../storage/storage.ts";
import { RoomRefusal } from "../../transport/room.ts";
import type { RoomEdge, RoomRefusalCode } from "../../transport/room.ts";
import { messageOf, Patience } from "../common/patience.ts";
import { OpenRoomError } from "../common/errors.ts";
import type { RunningState, StoppedState } from "../common/tab-state.ts";
import { comeIn } from "../entrance/come-in.ts";
import type { Beginning } from "../entrance/come-in.ts";
import { belongs, watchRegistry } from "../entrance/registry-watch.ts";
import { NO_INVITATIONS } from "../../member/membership/invitations.ts";
import { refusalText } from "../entrance/room-door.ts";
import { CurrentState } from "./current-state.ts";
import { FullDisk, storedCopy } from "./full-disk.ts";
import { giveUpVote, handOver, sayGoodbye, transferLeadership } from "./hand-over.ts";
import { NO_TRANSPORT } from "./no-transport.ts";
import { prepareRecovery, replaceStore } from "./recovery.ts";
import type { Recovery } from "./recovery.ts";
import type { RoomShape } from "../common/room-edge.ts";
import { homeOf, roomShapeOf } from "../common/room-home.ts";
import { roomMember } from "./room-member.ts";
import type { TabMemberOptions } from "./tab-member-options.ts";
import { tabServices } from "./tab-services.ts";
import type { TabTransport } from "./tab-transport.ts";

/** "moved": the room's cluster got objects, or has none any more. */
type End = "again" | "recover" | "moved" | "full" | "over";

const MOVED = "the room’s cluster has moved, and this tab follows it";

export class TabMember {
  readonly #options: TabMemberOptions;
  readonly #patience: Patience;
  readonly #full: FullDisk;
  readonly #state: CurrentState;
  #storage: Storage | undefined;
  #member: Member | undefined;
  #transport: TabTransport | undefined;
  /** Aborted at the end of a session, and for good when all is over. */
  #session: AbortController = new AbortController();
  #endSession: ((end: End) => void) | undefined;
  #lived: Promise<void> = Promise.resolve();
  /** Of the cluster that this tab is in. */
  #edge: RoomEdge | undefined;
  #recovery: Recovery | undefined;
  #isRecovering = false;
  /** The log says that the room's cluster lives where this session does not look for it. */
  #isElsewhere = false;
  /** By the members: what was stored while it asked them is of no use. */
  #isTurnedAway = false;

  constructor(options: TabMemberOptions) {
    this.#options = options;
    this.#patience = new Patience(options.clock);
    this.#full = new FullDisk({ clock: options.clock, patience: this.#patience, hasRoom: options.hasRoom });
    const { clock, onChange } = options;
    this.#state = new CurrentState({ clock, onChange, isReading: () => this.#isReading });
  }

  get member(): Member | undefined {
    return this.#member;
  }

  /** Once, when the lock is held. Resolves when all is over; does not reject. */
  open(): Promise<void> {
    this.#lived = this.#openAndLive();
    return this.#lived;
  }

  async #openAndLive(): Promise<void> {
    try {
      for (let end = await this.#live(); end !== "over"; end = await this.#live()) {
        if (end === "full") await this.#full.untilRoom(this.#beginSession());
      }
    } catch (error) {
      this.#stopFor(error);
    }
  }

  /** At once and without a trace: nothing is written any more. */
  stop(code: ProblemCode, text: string): void {
    this.#stopWith(code, text, false);
  }

  /** The page woke up, or the network is back. */
  retryNow(): void {
    this.#transport?.retryNow();
    this.#patience.retryNow();
  }

  /** Lets another member lead; this one goes on. Does not reject. */
  async yieldLeadership(): Promise<void> {
    if (this.#member !== undefined) await handOver(this.#member);
  }

  /** Asks another member to lead, without waiting for it. False if this one does not lead, or there is none. */
  transferLeadership(): boolean {
    return this.#member !== undefined && transferLeadership(this.#member);
  }

  /** Tells the others that this tab leaves, if that makes a difference to who votes. */
  sayGoodbye(): boolean {
    return this.#member !== undefined && sayGoodbye(this.#member);
  }

  /** Lets another member lead and gives up its vote, stops, and closes the storage. Does not reject. */
  async close(text: string): Promise<void> {
    if (this.#member !== undefined) {
      await handOver(this.#member);
      await giveUpVote(this.#member);
    }
    this.stop("stopped", text);
    await this.#lived;
    await this.#storage?.close().catch(() => {});
  }

  /** Closes, and deletes what this tab has of its room. */
  async leave(): Promise<void> {
    await this.close("This tab leaves its cluster.");
    await this.#options.deleteStorage();
  }

  /** For one who waits in vain: gives the room up for a new one, which this tab founds unless somebody is faster. */
  async foundAnew(): Promise<void> {
    const cluster = this.#state.running?.room?.cluster;
    if (this.#member === undefined || belongs(this.#member) || cluster === undefined) return;
    if (this.#edge !== undefined) return;
    try {
      await this.#options.registry.forget(cluster);
      this.#endSession?.("again");
    } catch (error) {
      this.#state.update({ roomTrouble: messageOf(error) });
    }
  }

  /**
   * Begins a new incarnation of the room, whose only member this tab is: with what it has itself, or with a snapshot.
   * Members of the former one never mix with it. Rejects with nothing changed if the snapshot is none, or if the room
   * cannot be taken at its server.
   */
  async recover(snapshot?: Uint8Array): Promise<void> {
    const member = this.#member;
    if (member === undefined || member.problem !== undefined || this.#isRecovering) {
      throw new EtcdError(GrpcCode.FailedPrecondition, "this tab has no member that could go on");
    }
    if (this.#edge !== undefined || homeOf(member.machine.membership) !== "tabs") {
      const text = "the room’s cluster is at its server, and goes on there: a tab cannot found it anew";
      throw new EtcdError(GrpcCode.FailedPrecondition, text);
    }
    this.#isRecovering = true;
    try {
      await this.#recoverFrom(member, snapshot);
    } finally {
      this.#isRecovering = false;
    }
  }

  /** Changes who votes. Rejects with EtcdError. */
  async reshape(shape: RoomShape): Promise<void> {
    const { reshape } = await import("./reshape.ts");
    await reshape(this.#member, this.#options.registry, shape);
  }

  async #recoverFrom(member: Member, snapshot: Uint8Array | undefined): Promise<void> {
    const { registry, newId } = this.#options;
    const recovery = await prepareRecovery(member, snapshot, registry, newId);
    if (this.#state.isOver) throw new EtcdError(GrpcCode.Canceled, "this tab's member has stopped");
    this.#recovery = recovery;
    this.#endSession?.("recover");
    await recovery.replaced.promise;
  }

  async #live(): Promise<End> {
    this.#beginSession();
    this.#state.set({ type: "opening" });
    let end: End;
    try {
      this.#storage = await this.#options.openStorage();
      end = await this.#enterAndBecome(this.#storage);
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== "quota") throw error;
      if (!this.#state.isOver && !this.#isReading) await this.#read(error);
      end = this.#state.isOver ? "over" : "full";
    }
    this.#session.abort();
    const storage = this.#storage;
    if (storage === undefined) return end;
    if (end === "again" || this.#isTurnedAway) await this.#discard(storage);
    if (end === "recover") await this.#replace(storage);
    if (end === "full" || end === "moved") await storage.close().catch(() => {});
    return end;
  }

  #beginSession(): AbortSignal {
    this.#session = new AbortController();
    if (this.#state.isOver) this.#session.abort();
    return this.#session.signal;
  }

  /** Nothing can be written, and no member is left whose memory could answer. */
  async #read(error: StorageError): Promise<void> {
    const storage = await storedCopy(this.#options.readStorage);
    if (this.#state.isOver) return;
    if (storage === undefined) {
      this.#state.set({ type: "opening", trouble: error.message });
      return this.#options.late.detach(error.message);
    }
    this.#edge = this.#options.edge();
    this.#state.run(this.#edge !== undefined, { state: "lost", text: "this tab takes no part while the disk is full" });
    const beginning = { identity: storage.identity, bootstrap: { type: "join" } } as const;
    const member = this.#newMember(storage, NO_TRANSPORT, beginning, undefined, 0);
    this.#member = member;
    member.startReading(storage.reason);
    if (!this.#state.isOver) this.#attach(member);
  }

  async #replace(storage: Storage): Promise<void> {
    const recovery = this.#recovery;
    this.#recovery = undefined;
    await storage.close().catch(() => {});
    if (recovery !== undefined) await replaceStore(recovery, this.#options.replaceStorage);
  }

  /** Whoever is refused has no log yet, and keeps nothing of a room that is not its own. */
  async #enterAndBecome(storage: Storage): Promise<End> {
    try {
      const { registry, newId, clock } = this.#options;
      const sinceMs = clock.nowMs();
      const beginning = await comeIn(storage, {
        registry,
        newId,
        patience: this.#patience,
        signal: this.#session.signal,
        onAsking: (trouble) => this.#state.set({ type: "asking", sinceMs, trouble }),
      });
      if (this.#state.isOver || beginning === undefined) return "over";
      return beginning === "discard" ? "again" : await this.#run(storage, beginning);
    } catch (error) {
      if (!(error instanceof RoomRefusal)) throw error;
      await this.#discard(storage);
      this.#refused(error.code);
      return "over";
    }
  }

  async #run(storage: Storage, beginning: Beginning): Promise<End> {
    const { openTransport, ownKey } = this.#options;
    const edge = this.#options.edge();
    this.#edge = edge;
    const key = await ownKey();
    const transport = await openTransport(
      beginning.identity,
      key,
      edge,
      (state, text) => {
        this.#state.update({ signalling: { state, text } });
        // The registry says whose room it is by now.
        if (state === "refused") this.#patience.retryNow();
      },
      (peers) => this.#state.update({ relayed: peers.map(String) }),
      () => this.#member?.machine.membership.invitations ?? NO_INVITATIONS,
    );
    const quotaBackendBytes = (await this.#options.quotaBytes?.()) ?? 0;
    if (this.#state.isOver) return "over";
    const ended = new Promise<End>((resolve) => {
      this.#endSession = resolve;
    });
    this.#state.run(this.#edge !== undefined, { state: "connecting", text: "asking the signalling server" });
    const member = this.#newMember(storage, transport, beginning, key?.fingerprint, quotaBackendBytes);
    // It answers reads until this one does.
    const former = this.#member;
    this.#member = member;
    this.#transport = transport;
    member.start();
    if (edge !== undefined) member.dial(edge.objects);
    this.#attach(member);
    former?.stop();
    this.#watchRegistry(member);
    const end = await ended;
    if (end === "moved") {
      this.#options.late.hold(MOVED);
      await handOver(member);
      this.#dropMember(MOVED, "held");
    } else if (end === "full") this.#transport = undefined;
    else this.#dropMember("this tab begins anew");
    return end;
  }

  #newMember(
    storage: Storage,
    transport: TabTransport,
    beginning: Pick<Beginning, "identity" | "bootstrap">,
    key: Uint8Array | undefined,
    quotaBackendBytes: number,
  ): Member {
    const { clock, newId, settings } = this.#options;
    const member: Member = roomMember({
      storage,
      transport,
      clock,
      prng: new Prng(newId()),
      beginning,
      key,
      isAtEdge: this.#edge !== undefined,
      quotaBackendBytes,
      settings,
      outageFacts: () => this.#state.outageFacts,
      onMembership: () => this.#followMembership(),
      onStopped: ({ code, text }) => {
        // A member that we stop ourselves says so too.
        if (this.#member !== member) return;
        if (code === "disk-full") this.#endSession?.("full");
        else this.#stopWith(code, text, false);
      },
    });
    return member;
  }

  #attach(member: Member): void {
    const services = tabServices(member);
    this.#options.late.attach(services);
    this.#options.onRunning(member, services);
  }

  /** Not before the member runs: the first call comes while it is made. */
  #followMembership(): void {
    if (this.#member === undefined) return;
    const { membership } = this.#member.machine;
    this.#transport?.follow?.(membership);
    const isAtEdge = this.#edge !== undefined;
    const shape = roomShapeOf(membership, isAtEdge);
    if (this.#state.running?.shape !== shape) this.#state.update({ shape });
    const home = homeOf(membership);
    const isElsewhere = home !== undefined && (home === "objects") !== isAtEdge;
    // The registry is asked at once, and says where it is.
    if (isElsewhere && !this.#isElsewhere) this.#patience.retryNow();
    this.#isElsewhere = isElsewhere;
  }

  #watchRegistry(member: Member): void {
    const { registry, clock } = this.#options;
    const watch = {
      registry,
      clock,
      patience: this.#patience,
      edge: this.#edge,
      isRecovering: () => this.#isRecovering,
      state: () => this.#state.running,
      update: (changes: Partial<RunningState>) => this.#state.update(changes),
      onDiscard: () => this.#endSession?.("again"),
      onMoved: () => this.#endSession?.("moved"),
      // The next poll tries again, as long as it is wished.
      onWish: (shape: RoomShape) => void this.reshape(shape).catch(() => {}),
      onRefused: (code: RoomRefusalCode) => {
        this.#isTurnedAway = true;
        this.#refused(code);
      },
    };
    watchRegistry(member, watch, this.#session.signal).catch((error: unknown) => this.#stopFor(error));
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #discard(storage: Storage): Promise<void> {
    await storage.close().catch(() => {});
    await this.#options.deleteStorage();
  }

  #refused(code: RoomRefusalCode): void {
    this.#options.onRefused();
    this.#stopWith("refused", refusalText(code), false, code);
  }

  #stopFor(error: unknown): void {
    if (error instanceof OpenRoomError && error.reason === "unsupported") {
      return this.#stopWith("refused", error.message, false, error.reason);
    }
    const kind = error instanceof StorageError ? error.kind : undefined;
    const code = kind === undefined ? "stopped" : "storage";
    this.#stopWith(code, messageOf(error), kind === "corrupt");
  }

  #stopWith(code: ProblemCode, text: string, isDamaged: boolean, refusal?: StoppedState["refusal"]): void {
    if (this.#state.isOver) return;
    this.#state.set({ type: "stopped", code, text, isDamaged, refusal });
    this.#options.late.end(`this tab's member has stopped: ${text}`);
    this.#session.abort();
    this.#recovery?.replaced.reject(new EtcdError(GrpcCode.Canceled, text));
    this.#dropMember(text);
    this.#endSession?.("over");
  }

  /** Calls fail from now on, or wait. */
  #dropMember(text: string, calls: "detached" | "held" = "detached"): void {
    const member = this.#member;
    this.#member = undefined;
    this.#transport = undefined;
    if (!this.#state.isOver && calls === "detached") this.#options.late.detach(text);
    member?.stop();
  }

  /** A member that the full disk has stopped answers reads from its memory, until the next one is there. */
  get #isReading(): boolean {
    return this.#member?.problem?.code === "disk-full";
  }
}
