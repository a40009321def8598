/**
 * The driver: the one place where consensus, state, storage, carrier, clock and chance meet.
 *
 *      requests ──► proposals ─┐                       ┌─► storage.append ──► persisted ─┐
 *      frames ────────────────►│  raft ──► Ready ──────┼─► carrier                       │
 *      ticks ─────────────────►│                       └─► state machine ──► answers     │
 *                              └◄──────────────────────────────────────────────────────-─┘
 *
 * Every input only changes Raft and asks for a run; a run, at the end of the turn, takes one Ready after the other
 * and works it off in order: messages leave, entries go to storage, committed entries are applied. Messages may leave
 * before the write because Raft itself holds back those that depend on it. So all requests of one turn share one
 * proposal, one write and one message per follower; and while a write is under way the next batch gathers.
 *
 * There is no promise in here and no clock but the one handed in, so the simulator runs this very code from a seed.
 */
import type { Prng } from "../base/prng.ts";
import { assert, unreachable } from "../base/assert.ts";
import { DecodeError } from "../protocol/decode-error.ts";
import type { EtcdError } from "../protocol/errors.ts";
import {
  errRequestTooLarge,
  errRequestTooManyRequests,
  errStopped,
  errTimeout,
  errTimeoutDueToLeaderFail,
} from "../protocol/errors.ts";
import type { ResponseHeader } from "../protocol/header.ts";
import { internalRaftRequestSchema } from "../protocol/internal-schema.ts";
import type { InternalRequest } from "../protocol/internal.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { FrameBody, SnapshotChunk } from "../protocol/frame-schema.ts";
import { encode } from "../protocol/proto-codec.ts";
import type {
  ConfChange,
  ConfChangeType,
  Entry,
  MemberId,
  RaftMessage,
  SnapshotMeta,
} from "../protocol/raft-message.ts";
import { decodeChange } from "../raft/conf-change-entry.ts";
import { Raft } from "../raft/raft.ts";
import type { RaftStatus, Ready } from "../raft/ready.ts";
import type { Storage } from "../storage/storage.ts";
import type { Transport } from "../transport/transport.ts";
import { autopilotStep } from "./autopilot.ts";
import type { Clock } from "./clock.ts";
import { startingHardState } from "./founding.ts";
import { logRetention } from "./log-retention.ts";
import type { LogRetention } from "./log-retention.ts";
import { encodeMember } from "./membership.ts";
import { settingsOf } from "./options.ts";
import type { MemberOptions, Settings } from "./options.ts";
import { Proposals } from "./proposals.ts";
import type { Outcome } from "./proposals.ts";
import { Quiet, isIdle } from "./quiet.ts";
import { Reads } from "./reads.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import type { StagedSnapshot } from "./snapshot-receiver.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import { StateMachine } from "./state-machine.ts";
import { decodeMemberFrame } from "./wire.ts";
import { WritesInFlight } from "./writes-in-flight.ts";
import type { ProblemCode } from "./services.ts";

/** One proposal batch; with what Raft adds it fits one frame of every carrier. */
const PROPOSAL_BATCH_BYTES = 512 * 1024;
const RAFT_FRAME_BYTES = 1024 * 1024;
const SNAPSHOT_CHUNK_BYTES = 128 * 1024;
/** Keys per step of physical compaction, and the pause between steps (etcd: 1,000 keys, 10 ms). */
const SCRUB_KEYS = 1_000;
const PAUSE_MS = 10;
const CATCH_UP_REVISIONS = 1_000;
const JOIN_EVERY_TICKS = 5;
const AUTOPILOT_EVERY_TICKS = 3;
const NO_MEMBER = 0n;

export interface Problem {
  readonly code: ProblemCode;
  readonly text: string;
}

export interface MemberCounters {
  proposalsFailed: number;
  leaderChanges: number;
  framesRejected: number;
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  sendFailures: number;
}

export class Member {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly name: string;
  readonly settings: Settings;
  readonly counters: MemberCounters = {
    proposalsFailed: 0,
    leaderChanges: 0,
    framesRejected: 0,
    framesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    sendFailures: 0,
  };
  readonly #options: MemberOptions;
  readonly #storage: Storage;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #raft: Raft;
  readonly #machine: StateMachine;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #writes: WritesInFlight = new WritesInFlight();
  readonly #retention: LogRetention;
  readonly #quiet: Quiet;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #lastHeardMs = new Map<MemberId, number>();
  readonly #peersUp = new Set<MemberId>();
  #dialed: readonly MemberId[] = [];
  #install: StagedSnapshot | undefined;
  #installing: StagedSnapshot | undefined;
  #applied: number;
  #appliedTerm: number;
  #nextRequest: bigint;
  #transferSequence = 0;
  #ticks = 0;
  #cancelTick: (() => void) | undefined;
  #cancelPump: (() => void) | undefined;
  #cancelScrub: (() => void) | undefined;
  #cancelProgress: (() => void) | undefined;
  #scrubWaiters: (() => void)[] = [];
  readonly #stopListeners = new Set<() => void>();
  #runScheduled = false;
  #running = false;
  #leaderLostMs = -Infinity;
  #leader: MemberId = NO_MEMBER;
  #problem: Problem | undefined;
  #started = false;

  /** `storage` is open; a fresh one was given its beginning by `prepareStorage`. */
  constructor(options: MemberOptions) {
    const identity = options.storage.identity;
    assert(identity !== undefined, "the store knows whose it is");
    this.settings = settingsOf(options);
    this.#options = options;
    this.#storage = options.storage;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.id = identity.memberId;
    this.clusterId = identity.clusterId;
    this.name = identity.name;
    const limits = this.settings.limits;
    this.#machine = new StateMachine(this.#storage.tables, (revision) => this.header(revision), limits);
    this.#applied = this.#storage.appliedAtOpen;
    this.#appliedTerm = this.#storage.log.term(this.#applied) ?? 0;
    this.#raft = this.#makeRaft(options.prng);
    this.#proposals = new Proposals(limits.pendingRequests, limits.pendingBytes);
    this.#reads = new Reads(this.id, limits.pendingRequests);
    this.#retention = logRetention(limits);
    this.#quiet = new Quiet(this.settings.quietAfterTicks);
    this.#nextRequest = ((this.id & 0xffffn) << 48n) | (options.prng.u64() >> 16n);
    this.#sender = new SnapshotSender(
      { chunkBytes: SNAPSHOT_CHUNK_BYTES, windowChunks: 8, resendTicks: 20, giveUpTicks: 600 },
      (to, chunk) => this.#send(to, { type: "snapshot-chunk", ...chunk }),
    );
    this.#receiver = new SnapshotReceiver(this.#storage);
  }

  start(): void {
    assert(!this.#started, "a member starts once");
    this.#started = true;
    this.#transport.start({
      onFrame: (from, frame, done) => this.#guard(() => this.#onFrame(from, frame, done)),
      onPeerUp: (peer) => this.#guard(() => this.#onPeerUp(peer)),
      onPeerDown: (peer) => this.#guard(() => this.#onPeerDown(peer)),
    });
    this.#membershipChanged();
    this.#startTicking();
    this.#scheduleScrub();
    this.#scheduleRun();
  }

  /** Members to stay connected with beside those in the membership: a newcomer must know somebody to ask. */
  dial(peers: readonly MemberId[]): void {
    this.#dialed = peers;
    this.#setPeers();
  }

  /** Ends without a trace: nothing is sent, waiting requests end with "server stopped". */
  stop(): void {
    this.#stopWith({ code: "stopped", text: "The member was stopped." });
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Proposes a request; `done` gets what applying it gave, or an error. */
  write(request: InternalRequest, done: (outcome: Outcome<unknown>) => void): void {
    if (this.#problem !== undefined) return done({ ok: false, error: errStopped });
    const id = this.#newRequestId();
    const header = { id, username: "", authRevision: 0 };
    const bytes = encode(internalRaftRequestSchema, { header, request });
    if (bytes.length > this.settings.limits.requestBytes) return done({ ok: false, error: errRequestTooLarge });
    if (this.#raft.backlog > this.settings.limits.applyBacklog) {
      return done({ ok: false, error: errRequestTooManyRequests });
    }
    const deadlineMs = this.#clock.nowMs() + this.settings.requestTimeoutMs;
    if (!this.#proposals.add({ id, bytes, deadlineMs, done }))
      return done({ ok: false, error: errRequestTooManyRequests });
    this.#requestCame();
  }

  /** Proposes a membership change; `done` is called when it was applied here. */
  changeMembership(type: ConfChangeType, nodeId: MemberId, context: Uint8Array): "accepted" | "no-leader" | "pending" {
    const change: ConfChange = { id: this.#newRequestId(), transition: "auto", changes: [{ type, nodeId }], context };
    const answer = this.#raft.proposeConfChange(change);
    this.#scheduleRun();
    return answer;
  }

  /** Runs `read` once everything that was committed before this call is applied here. */
  linearizable(read: () => void, fail: (error: EtcdError) => void): void {
    if (this.#problem !== undefined) return fail(errStopped);
    const deadlineMs = this.#clock.nowMs() + this.settings.requestTimeoutMs;
    if (!this.#reads.add({ deadlineMs, run: read, fail })) return fail(errRequestTooManyRequests);
    this.#requestCame();
  }

  /** The replicated state as it is here and now; what is read from it is serializable. */
  get machine(): StateMachine {
    return this.#machine;
  }

  /** Watchers were added or readers took something: there may be history to deliver. */
  pumpWatches(): void {
    if (this.#cancelPump !== undefined || this.#problem !== undefined) return;
    this.#cancelPump = this.#clock.setTimer(0, () => this.#pump());
  }

  /** Starts physical compaction; `done` is called when it has ended. */
  scrub(done: (() => void) | undefined): void {
    if (done !== undefined) this.#scrubWaiters.push(done);
    this.#scheduleScrub();
  }

  /** Periodic progress responses are wanted by some watcher; the clock for them runs while there are watchers. */
  notifyProgressEvery(intervalMs: number): void {
    if (this.#cancelProgress !== undefined || this.#problem !== undefined) return;
    this.#cancelProgress = this.#clock.setTimer(intervalMs, () => {
      this.#cancelProgress = undefined;
      this.#machine.hub.progressAll();
      if (this.#machine.hub.watcherCount > 0) this.notifyProgressEvery(intervalMs);
    });
  }

  /** The returned function takes it back. */
  whenStopped(run: () => void): () => void {
    this.#stopListeners.add(run);
    return () => this.#stopListeners.delete(run);
  }

  header(revision: number): ResponseHeader {
    return { clusterId: this.clusterId, memberId: this.id, revision, raftTerm: this.#raft.term };
  }

  status(): RaftStatus {
    return this.#raft.status();
  }

  get leader(): MemberId {
    return this.#leader;
  }

  get applied(): number {
    return this.#applied;
  }

  get problem(): Problem | undefined {
    return this.#problem;
  }

  get pendingProposals(): number {
    return this.#proposals.pending;
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  /** Whether it was heard of within the last election timeout. */
  isActive(member: MemberId): boolean {
    return this.#silentMs(member) <= 2 * this.settings.electionTicks * this.settings.tickMs;
  }

  checkInvariants(): void {
    this.#raft.checkInvariants();
    assert(this.#applied >= this.#storage.durableApplied, "what is durable was applied");
  }

  // ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────

  #requestCame(): void {
    if (this.#quiet.enabled) {
      if (this.#quiet.state === "quiet") this.#wake();
      else if (this.#quiet.state === "awake" && this.#leader === NO_MEMBER) this.#askWhoLeads();
      this.#quiet.busy();
    }
    this.#scheduleRun();
  }

  #tick(): void {
    this.#cancelTick = undefined;
    // A heartbeat after the notice would wake the others again.
    if (this.#mayGoQuiet()) return this.#goQuiet();
    this.#startTicking();
    this.#ticks += 1;
    this.#raft.tick();
    const nowMs = this.#clock.nowMs();
    if (this.#proposals.pending > 0 || this.#reads.pending > 0) {
      this.#proposals.expire(nowMs, this.#timeoutError(nowMs));
      this.#reads.expire(nowMs, this.#timeoutError(nowMs));
    }
    for (const peer of this.#sender.tick()) this.#raft.reportSnapshot(peer, false);
    if (this.#quiet.wakingTick()) this.#raft.campaign();
    if (this.#leader === this.id && this.#ticks % AUTOPILOT_EVERY_TICKS === 0) this.#autopilot();
    if (this.#ticks % JOIN_EVERY_TICKS === 0) this.#askToJoin();
    this.#scheduleRun();
  }

  #onFrame(from: MemberId, frame: Uint8Array, done: () => void): void {
    this.counters.framesReceived += 1;
    this.counters.bytesReceived += frame.length;
    let body: FrameBody;
    try {
      body = decodeMemberFrame(frame, { clusterId: this.clusterId, from, to: this.id });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.counters.framesRejected += 1;
      done();
      return;
    }
    if (this.#machine.membership.wasRemoved(from)) {
      done();
      return;
    }
    this.#lastHeardMs.set(from, this.#clock.nowMs());
    this.#onBody(from, body);
    this.#writes.whenSettled(done);
    this.#scheduleRun();
  }

  #onBody(from: MemberId, body: FrameBody): void {
    switch (body.type) {
      case "raft":
        if (body.messages.some((message) => message.type !== "heartbeat-response")) this.#rouse();
        for (const message of body.messages) {
          if (message.from === from && message.to === this.id && message.type !== "snapshot") this.#step(message);
        }
        break;
      case "snapshot-chunk":
        this.#onChunk(from, body);
        break;
      case "snapshot-ack":
        this.#onChunkAcknowledged(from, body.transferId, body.nextSeq);
        break;
      case "join":
        this.#onJoin(body.memberId, body.name);
        break;
      case "quiet":
        this.#onQuiet(from, body.term, body.index);
        break;
      case "wake":
        this.#onWake(from);
        break;
      case "not-leading":
        if (this.#quiet.notLeading(this.#others().length)) this.#raft.campaign();
        break;
      case "join-response":
      case "ping":
      case "pong":
      case "goodbye":
      case "rpc":
      case "rpc-response":
        // Carriers and later versions use these; a member has nothing to do for them.
        break;
      default:
        unreachable(body);
    }
  }

  #step(message: RaftMessage): void {
    if (message.type !== "heartbeat" && message.type !== "heartbeat-response") this.#quiet.busy();
    this.#raft.step(message);
  }

  #onPeerUp(peer: MemberId): void {
    this.#peersUp.add(peer);
    this.#sender.peerUp(peer);
    this.#scheduleRun();
  }

  #onPeerDown(peer: MemberId): void {
    this.#peersUp.delete(peer);
    this.counters.sendFailures += 1;
    this.#raft.reportUnreachable(peer);
    this.#scheduleRun();
  }

  // ── the run ───────────────────────────────────────────────────────────────────────────────────────────────────

  #scheduleRun(): void {
    if (this.#runScheduled || this.#problem !== undefined) return;
    this.#runScheduled = true;
    this.#clock.defer(() => {
      this.#runScheduled = false;
      this.#guard(() => this.#run());
    });
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      this.#propose();
      this.#ask();
      while (this.#raft.hasReady()) {
        this.#work(this.#raft.ready());
        // What was applied or learned may have freed the next batch.
        this.#propose();
        this.#ask();
      }
    } finally {
      this.#running = false;
    }
    this.#dropRefusedSnapshot();
    this.#writes.settle();
  }

  /** The next batch gathers while a write is under way: the batch, not the request, pays for the write. */
  #propose(): void {
    while (this.#proposals.queued > 0 && this.#writes.outstanding === 0 && this.#quiet.state === "awake") {
      const batch = this.#proposals.nextBatch(PROPOSAL_BATCH_BYTES);
      if (this.#raft.propose(batch) !== "accepted") return;
      this.#proposals.batchTaken(batch.length);
      if (this.#leader === this.id) return;
    }
  }

  #ask(): void {
    if (this.#reads.pending === 0 || this.#quiet.state !== "awake") return;
    for (const context of this.#reads.toAsk(this.#clock.nowMs())) {
      if (this.#raft.readIndex(context) !== "accepted") {
        this.#reads.askedInVain();
        return;
      }
    }
  }

  #work(ready: Ready): void {
    if (ready.softState !== undefined) this.#leaderChanged(ready.softState.leader);
    this.#sendRaft(ready.messages);
    if (ready.persist !== undefined) this.#persist(ready.persist);
    for (const { context, index } of ready.readStates) this.#reads.confirm(context, index);
    if (ready.committed.length > 0) this.#apply(ready.committed);
    this.#reads.applied(this.#applied);
  }

  #persist(persist: NonNullable<Ready["persist"]>): void {
    let install: { readonly snapshot: SnapshotMeta; readonly staged: StagedSnapshot["staged"] } | undefined;
    if (persist.snapshot !== undefined) {
      const staged = this.#install;
      assert(staged?.message.snapshot.index === persist.snapshot.index, "a snapshot was staged before Raft took it");
      install = { snapshot: persist.snapshot, staged: staged.staged };
      this.#install = undefined;
      this.#installing = staged;
    }
    this.#writes.issued(persist.id);
    this.#storage.append({ hardState: persist.hardState, entries: persist.entries, install }, (error) =>
      this.#guard(() => this.#persisted(persist.id, install?.snapshot, error)),
    );
  }

  #persisted(id: number, snapshot: SnapshotMeta | undefined, error: Error | undefined): void {
    if (error !== undefined) return this.#stopWith({ code: "storage", text: error.message });
    this.#writes.durable(id);
    if (snapshot !== undefined) this.#installed(snapshot);
    this.#raft.persisted(id);
    this.#scheduleRun();
  }

  #installed(snapshot: SnapshotMeta): void {
    this.#installing = undefined;
    this.#applied = snapshot.index;
    this.#appliedTerm = snapshot.term;
    this.#machine.reopen(this.#storage.tables);
    this.#membershipChanged();
    this.#reads.applied(this.#applied);
    this.#scheduleScrub();
    this.pumpWatches();
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.#applied + 1, "entries are applied one after the other");
      if (entry.type === "conf-change") this.#applyConfChange(entry);
      else this.#applyRequest(entry);
      this.#applied = entry.index;
      this.#appliedTerm = entry.term;
      this.#retention.applied(entry.index, entry.data.length);
    }
    this.#storage.stateChanged(this.#applied, this.#appliedTerm);
    this.#raft.appliedTo(this.#applied);
    if (this.#machine.hub.hasCatchingUp) this.pumpWatches();
    const keepFrom = Math.min(this.#sender.keepFrom, this.#storage.durableApplied + 1);
    const cut = this.#retention.cutAt(this.#storage.log.firstIndex(), keepFrom);
    if (cut !== undefined) this.#storage.compactLog(cut);
  }

  #applyRequest(entry: Entry): void {
    const applied = this.#machine.apply(entry.data);
    if (applied === undefined) return;
    if (!applied.outcome.ok) this.counters.proposalsFailed += 1;
    this.#proposals.resolve(applied.id, applied.outcome);
  }

  #applyConfChange(entry: Entry): void {
    const change = decodeChange(entry.data);
    if (change === undefined) return;
    this.#machine.applyConfChange(change, this.#raft.applyConfChange(change));
    this.#membershipChanged();
  }

  #leaderChanged(leader: MemberId): void {
    if (leader === this.#leader) return;
    if (this.#leader !== NO_MEMBER) this.#leaderLostMs = this.#clock.nowMs();
    this.#leader = leader;
    if (leader === NO_MEMBER) return;
    this.counters.leaderChanges += 1;
    this.#quiet.awake();
    this.#reads.askedInVain();
    if (leader === this.id) this.#publishName();
  }

  #sendRaft(messages: readonly RaftMessage[]): void {
    if (messages.length === 0) return;
    const byPeer = new Map<MemberId, RaftMessage[]>();
    for (const message of messages) {
      if (message.type === "snapshot") {
        this.#startTransfer(message.to, message);
        continue;
      }
      const batch = byPeer.get(message.to);
      if (batch === undefined) byPeer.set(message.to, [message]);
      else batch.push(message);
    }
    for (const [to, batch] of byPeer) {
      for (const part of framesOf(batch)) this.#send(to, { type: "raft", messages: part });
    }
  }

  #send(to: MemberId, body: FrameBody): void {
    const frame = encodeFrame({ clusterId: this.clusterId, from: this.id, to }, body);
    this.counters.framesSent += 1;
    this.counters.bytesSent += frame.length;
    this.#transport.send(to, frame);
  }

  // ── snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────

  #startTransfer(to: MemberId, message: RaftMessage & { readonly type: "snapshot" }): void {
    assert(message.snapshot.index === this.#applied, "a snapshot is of what is applied now");
    this.#transferSequence += 1;
    this.#sender.start(this.#transferSequence, message, this.#storage.tables, this.#machine.store.revision);
    assert(to === message.to, "the transfer goes where the message goes");
  }

  #onChunk(from: MemberId, chunk: SnapshotChunk): void {
    this.#rouse();
    if (chunk.message.from !== from || chunk.message.to !== this.id) return;
    // One install at a time; the sender asks again.
    if (this.#installing !== undefined) return;
    try {
      const { nextSeq, complete } = this.#receiver.take(from, chunk);
      this.#send(from, { type: "snapshot-ack", transferId: chunk.transferId, nextSeq });
      if (complete === undefined) return;
      this.#install?.staged.abort();
      this.#install = complete;
      this.#raft.step(complete.message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.counters.framesRejected += 1;
    }
  }

  #onChunkAcknowledged(from: MemberId, transferId: number, nextSeq: number): void {
    const progress = this.#sender.acknowledged(from, transferId, nextSeq);
    if (progress === "complete" || progress === "lost") {
      this.#raft.reportSnapshot(from, progress === "complete");
      this.#scheduleScrub();
    }
  }

  /** Raft did not want what was staged: it was overtaken by appends. */
  #dropRefusedSnapshot(): void {
    this.#install?.staged.abort();
    this.#install = undefined;
  }

  // ── membership ────────────────────────────────────────────────────────────────────────────────────────────────

  #membershipChanged(): void {
    const members = this.#machine.membership.members;
    this.#options.onMembership?.(members);
    this.#setPeers();
    if (this.#machine.membership.wasRemoved(this.id)) {
      this.#stopWith({ code: "stopped", text: "This member was removed from the cluster." });
    }
  }

  #setPeers(): void {
    const peers = new Set([...this.#dialed, ...this.#machine.membership.members.map((member) => member.id)]);
    peers.delete(this.id);
    this.#transport.setPeers([...peers]);
  }

  #others(): readonly MemberId[] {
    const { voters, learners } = this.#machine.membership.confState;
    return [...voters, ...learners].filter((id) => id !== this.id);
  }

  /** A member that is in nobody's list yet asks everybody it is connected with. */
  #askToJoin(): void {
    if (this.#options.beginning.type !== "join" || this.#machine.membership.has(this.id)) return;
    for (const peer of this.#peersUp) {
      this.#send(peer, { type: "join", memberId: this.id, name: this.name });
    }
  }

  #onJoin(member: MemberId, name: string): void {
    if (this.#machine.membership.has(member) || this.#machine.membership.wasRemoved(member)) return;
    if (this.#leader === this.id) {
      const record = { id: member, name, peerUrls: [], clientUrls: [], isLearner: true };
      this.changeMembership("add-learner", member, encodeMember(record));
    } else if (this.#leader !== NO_MEMBER) {
      this.#send(this.#leader, { type: "join", memberId: member, name });
    }
  }

  /** The name of a founder stands in its conf change; a member that was renamed at a restart tells the others. */
  #publishName(): void {
    const known = this.#machine.membership.get(this.id);
    if (known === undefined || known.name === this.name) return;
    const memberAttributes = { name: this.name, clientUrls: known.clientUrls };
    this.write(
      { type: "clusterMemberAttrSet", clusterMemberAttrSet: { memberId: this.id, memberAttributes } },
      () => {},
    );
  }

  #autopilot(): void {
    const options = this.#options.autopilot;
    if (options === undefined) return;
    const status = this.#raft.status();
    const members = [...status.progress].map(([id, progress]) => ({
      id,
      learner: progress.isLearner,
      caughtUp: progress.match + 10 >= status.lastIndex,
      silentMs: id === this.id ? 0 : this.#silentMs(id),
    }));
    const step = autopilotStep(members, this.id, options);
    if (step === undefined) return;
    this.changeMembership(step.type === "promote" ? "add-node" : "add-learner", step.id, new Uint8Array(0));
  }

  #silentMs(member: MemberId): number {
    if (member === this.id) return 0;
    const heard = this.#lastHeardMs.get(member);
    return heard === undefined ? Infinity : this.#clock.nowMs() - heard;
  }

  // ── quiet ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #mayGoQuiet(): boolean {
    if (!this.#quiet.enabled || this.#leader !== this.id) return false;
    const works = this.#proposals.pending > 0 || this.#reads.pending > 0 || this.#sender.active;
    return this.#quiet.leaderTick(!works && isIdle(this.#raft.status()));
  }

  #goQuiet(): void {
    const { term, lastIndex } = this.#raft.status();
    for (const peer of this.#others()) this.#send(peer, { type: "quiet", term, index: lastIndex });
    this.#quiet.goQuiet();
    this.#stopTicking();
  }

  /** The leader says that all is done. Whoever sees it otherwise keeps its clock, and will ask. */
  #onQuiet(from: MemberId, term: number, index: number): void {
    const status = this.#raft.status();
    const same = status.term === term && status.leader === from && status.lastIndex === index;
    if (!same || status.applied !== index) return;
    if (this.#proposals.pending > 0 || this.#reads.pending > 0) return;
    this.#raft.forgetLease();
    this.#quiet.goQuiet();
    this.#stopTicking();
  }

  /** Somebody else is awake and at work. */
  #rouse(): void {
    if (this.#quiet.state !== "quiet") return;
    this.#startTicking();
    this.#quiet.awake();
  }

  /** A request came; it must not be given to a leader who may be none any more. */
  #wake(): void {
    this.#startTicking();
    if (this.#leader === this.id) this.#quiet.awake();
    else this.#askWhoLeads();
  }

  /** Nobody known for sure: a request waits until a leader is heard, or nobody says that he is one. */
  #askWhoLeads(): void {
    if (this.#quiet.state === "waking") return;
    this.#quiet.startWaking();
    const others = this.#others();
    for (const peer of others) this.#send(peer, { type: "wake" });
    if (others.length === 0) this.#raft.campaign();
  }

  #onWake(from: MemberId): void {
    if (this.#quiet.state === "quiet") this.#startTicking();
    if (this.#leader === this.id) {
      this.#quiet.awake();
      // The heartbeat of the next tick may be far; one read round brings one now.
      this.#raft.heartbeat();
    } else {
      if (this.#quiet.state === "quiet") this.#quiet.awake();
      this.#send(from, { type: "not-leading" });
    }
  }

  #startTicking(): void {
    if (this.#cancelTick !== undefined || this.#problem !== undefined) return;
    this.#cancelTick = this.#clock.setTimer(this.settings.tickMs, () => this.#guard(() => this.#tick()));
  }

  #stopTicking(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  // ── chores ────────────────────────────────────────────────────────────────────────────────────────────────────

  #pump(): void {
    this.#cancelPump = undefined;
    this.#guard(() => {
      if (!this.#machine.hub.pump(CATCH_UP_REVISIONS)) return;
      this.#cancelPump = this.#clock.setTimer(PAUSE_MS, () => this.#pump());
    });
  }

  #scheduleScrub(): void {
    if (this.#cancelScrub !== undefined || this.#problem !== undefined) return;
    this.#cancelScrub = this.#clock.setTimer(PAUSE_MS, () => {
      this.#cancelScrub = undefined;
      this.#guard(() => this.#scrubStep());
    });
  }

  #scrubStep(): void {
    // Rows that a snapshot stream has yet to send must stay; the end of the transfer starts this again.
    if (this.#sender.active || this.#installing !== undefined) return;
    const more = this.#machine.store.scrub(SCRUB_KEYS);
    this.#storage.stateChanged(this.#applied, this.#appliedTerm);
    if (more) return this.#scheduleScrub();
    const waiters = this.#scrubWaiters;
    this.#scrubWaiters = [];
    for (const done of waiters) done();
  }

  #makeRaft(prng: Prng): Raft {
    const storage = this.#storage;
    return new Raft({
      id: this.id,
      electionTicks: this.settings.electionTicks,
      heartbeatTicks: 1,
      prng,
      log: storage.log,
      hardState: startingHardState(storage),
      confState: this.#machine.membership.confState,
      applied: this.#applied,
      snapshotMeta: () => this.#snapshotMeta(),
      maxAppendBytes: 1024 * 1024,
      maxInflightMessages: 256,
      maxInflightBytes: 4 * 1024 * 1024,
      maxUncommittedBytes: 64 * 1024 * 1024,
      maxApplyBytes: 4 * 1024 * 1024,
    });
  }

  #snapshotMeta(): SnapshotMeta | undefined {
    if (this.#applied === 0 || this.#installing !== undefined) return undefined;
    const confState = this.#machine.membership.confState;
    return { index: this.#applied, term: this.#appliedTerm, confState };
  }

  #newRequestId(): bigint {
    this.#nextRequest = BigInt.asUintN(64, this.#nextRequest + 1n);
    return this.#nextRequest;
  }

  #timeoutError(nowMs: number): EtcdError {
    const lately = nowMs - this.#leaderLostMs < this.settings.requestTimeoutMs;
    return this.#leader === NO_MEMBER || lately ? errTimeoutDueToLeaderFail : errTimeout;
  }

  /** Whatever is thrown in here is a broken invariant: the member stops before it can diverge from the others. */
  #guard(action: () => void): void {
    if (this.#problem !== undefined) return;
    try {
      action();
    } catch (error) {
      this.#stopWith({ code: "stopped", text: `The member stopped itself: ${String(error)}` });
    }
  }

  #stopWith(problem: Problem): void {
    if (this.#problem !== undefined) return;
    this.#problem = problem;
    this.#stopTicking();
    this.#cancelPump?.();
    this.#cancelScrub?.();
    this.#cancelProgress?.();
    this.#sender.cancelAll();
    this.#receiver.abort();
    this.#proposals.failAll(errStopped);
    this.#reads.failAll(errStopped);
    this.#transport.close();
    for (const run of this.#stopListeners) run();
    this.#options.onStopped?.(problem);
  }
}

/** Splits what goes to one peer so that a frame stays within what carriers take. */
function framesOf(messages: readonly RaftMessage[]): readonly (readonly RaftMessage[])[] {
  const frames: RaftMessage[][] = [];
  let current: RaftMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = messageBytes(message);
    if (current.length > 0 && bytes + size > RAFT_FRAME_BYTES) {
      frames.push(current);
      current = [];
      bytes = 0;
    }
    current.push(message);
    bytes += size;
  }
  frames.push(current);
  return frames;
}

function messageBytes(message: RaftMessage): number {
  if (message.type !== "append" && message.type !== "propose") return 64;
  let bytes = 64;
  for (const entry of message.entries) bytes += entry.data.length + 24;
  return bytes;
}
