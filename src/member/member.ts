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
import { NOBODY, ROOT } from "../auth/auth-store.ts";
import type { Caller } from "../auth/auth-store.ts";
import type { Member as MemberRecord } from "../protocol/cluster.ts";
import { DecodeError } from "../protocol/decode-error.ts";
import type { EtcdError } from "../protocol/errors.ts";
import {
  errNoLeader,
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
import type { FrameBody } from "../protocol/frame-schema.ts";
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
import type { LogReader } from "../raft/log-reader.ts";
import type { RaftBrief, RaftStatus, Ready } from "../raft/ready.ts";
import type { StateTables } from "../mvcc/tables.ts";
import type { Storage } from "../storage/storage.ts";
import type { Transport } from "../transport/transport.ts";
import { type AutoCompaction, autoCompactionOf } from "./auto-compaction.ts";
import { Attributes } from "./attributes.ts";
import { Chores } from "./chores.ts";
import type { Clock } from "./clock.ts";
import { ClusterChanges } from "./cluster-changes.ts";
import { CorruptionCheck } from "./corruption.ts";
import { CommitNotices } from "./commit-notices.ts";
import { startingHardState } from "./founding.ts";
import { Hashing } from "./hashing.ts";
import { LeaderLoss } from "./leader-loss.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { logRetention } from "./log-retention.ts";
import { MemberMetrics } from "./member-metrics.ts";
import type { LogRetention } from "./log-retention.ts";
import { settingsOf } from "./options.ts";
import type { MemberOptions, Settings } from "./options.ts";
import { Proposals } from "./proposals.ts";
import type { Outcome } from "./proposals.ts";
import { Quiet } from "./quiet.ts";
import { raftFrames } from "./raft-frames.ts";
import { Reads } from "./reads.ts";
import { Roster } from "./roster.ts";
import { Rpc } from "./rpc.ts";
import { SimpleTokens } from "./simple-tokens.ts";
import { Snapshots } from "./snapshots.ts";
import { StateMachine } from "./state-machine.ts";
import { decodeMemberFrame } from "./wire.ts";
import { WritesInFlight } from "./writes-in-flight.ts";
import type { ProblemCode } from "./services.ts";

/** One proposal batch; with what Raft adds it fits one frame of every carrier. */
const PROPOSAL_BATCH_BYTES = 512 * 1024;
const AUTOPILOT_EVERY_TICKS = 3;
const NO_MEMBER = 0n;
const REFERRALS_MAX = 64;
const RPC_RETRY_MS = 1_000;
const INT63 = (1n << 63n) - 1n;

export interface Problem {
  readonly code: ProblemCode;
  readonly text: string;
}

const WAS_REMOVED: Problem = { code: "removed", text: "This member was removed from the cluster." };
/** To one that still speaks as if it belonged to us. An id that was removed never comes back, so this stays true. */
const REMOVED = { type: "join-response", refusal: "removed" } as const;

export interface MemberCounters {
  proposalsFailed: number;
  leaderChanges: number;
  framesRejected: number;
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
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
  readonly #notices: CommitNotices;
  readonly #quiet: Quiet;
  readonly #snapshots: Snapshots;
  readonly #roster: Roster;
  readonly #chores: Chores;
  /** Calls between members; services add their methods. */
  readonly rpc: Rpc;
  readonly leases: LeaseKeeper;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
  readonly hashing: Hashing;
  readonly metrics: MemberMetrics;
  readonly #corruption: CorruptionCheck;
  readonly #autoCompaction: AutoCompaction;
  readonly leaderLoss: LeaderLoss;
  readonly tokens: SimpleTokens;
  #applied: number;
  #appliedTerm: number;
  #nextRequest: bigint;
  #ticks = 0;
  #cancelTick: (() => void) | undefined;
  readonly #stopListeners: Set<() => void> = new Set();
  #runScheduled = false;
  #running = false;
  #leaderLostMs = -Infinity;
  #leader: MemberId = NO_MEMBER;
  #problem: Problem | undefined;
  #successors: readonly MemberRecord[] | undefined;
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
    this.metrics = new MemberMetrics(() => this.#clock.nowMs());
    this.#storage.onStateWritten = (durationMs) => this.metrics.stateWriteSeconds.observe(durationMs / 1_000);
    this.rpc = this.#makeRpc(options.prng);
    this.leases = this.#makeLeases();
    this.changes = this.#makeChanges(options.prng);
    this.attributes = this.#makeAttributes();
    const header = (revision: number): ResponseHeader => this.header(revision);
    this.tokens = new SimpleTokens(() => this.#clock.nowMs(), {
      ttlMs: this.settings.authTokenTtlMs,
      countMax: limits.authTokens,
      lastIndexAtOpen: this.#storage.log.lastIndex(),
    });
    this.#machine = new StateMachine(this.#storage.tables, header, limits, this.leases, this.tokens);
    this.#applied = this.#storage.appliedAtOpen;
    this.#appliedTerm = this.#storage.log.term(this.#applied) ?? 0;
    this.#raft = this.#makeRaft(options.prng);
    this.#proposals = new Proposals(limits.pendingRequests, limits.pendingBytes);
    this.#reads = new Reads(this.id, options.prng.u64(), limits.pendingRequests);
    this.#retention = logRetention(limits);
    this.#nextRequest = ((this.id & 0xffffn) << 48n) | (options.prng.u64() >> 16n);
    this.#roster = this.#makeRoster();
    this.#snapshots = this.#makeSnapshots(options.prng);
    this.#notices = new CommitNotices(this.settings.commitDelayMs, this.#clock, (messages) =>
      this.#guard(() => this.#sendRaft(messages)),
    );
    this.#quiet = this.#makeQuiet();
    this.hashing = this.#makeHashing();
    this.#corruption = new CorruptionCheck(this);
    this.leaderLoss = new LeaderLoss(this.settings.electionTicks);
    this.#autoCompaction = autoCompactionOf(this, options.autoCompaction);
    this.#chores = this.#makeChores();
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
    this.#campaignIfAlone();
    this.#startTicking();
    // A compaction may have been under way when the member stopped.
    this.scrub(undefined);
    this.#scheduleRun();
  }

  /** Members to stay connected with beside those in the membership: a newcomer must know somebody to ask. */
  dial(peers: readonly MemberId[]): void {
    this.#roster.dial(peers);
  }

  /** Ends without a trace: nothing is sent, waiting requests end with "server stopped". */
  stop(): void {
    this.#stopWith({ code: "stopped", text: "The member was stopped." });
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Proposes a request; `done` gets what applying it gave, or an error. */
  write(request: InternalRequest, done: (outcome: Outcome<unknown>) => void, caller: Caller = NOBODY): void {
    if (this.#problem !== undefined) return done({ ok: false, error: errStopped });
    const id = this.#newRequestId();
    const header = { id, username: caller.username, authRevision: caller.revision };
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
    this.#requestCame();
    return answer;
  }

  /** Asks that `to` lead; it does so once it has the whole log, or the leader keeps leading. */
  transferLeader(to: MemberId): void {
    if (this.#problem !== undefined) return;
    this.#raft.transferLeader(to);
    this.#requestCame();
  }

  /** Runs `read` once everything that was committed before this call is applied here. */
  linearizable(read: () => void, fail: (error: EtcdError) => void): void {
    if (this.#problem !== undefined) return fail(errStopped);
    const deadlineMs = this.#clock.nowMs() + this.settings.requestTimeoutMs;
    if (!this.#reads.add({ deadlineMs, run: read, fail })) return fail(errRequestTooManyRequests);
    this.#requestCame();
  }

  /** Ends the quiet, and sees to it that what waits is done: calls to the leader, leases that have ended. */
  wake(): void {
    if (this.#problem === undefined) this.#requestCame();
  }

  /** Nobody is known to lead because the cluster was asleep, and the others are being asked. */
  get isWaking(): boolean {
    return !this.#quiet.isAwake;
  }

  /** For a new lease: positive, and nobody else's. */
  newLeaseId(): bigint {
    return this.#newRequestId() & INT63 || this.newLeaseId();
  }

  /** The replicated state as it is here and now; what is read from it is serializable. */
  get machine(): StateMachine {
    return this.#machine;
  }

  pumpWatches(): void {
    if (this.#problem === undefined) this.#chores.pumpWatches();
  }

  /** Starts physical compaction; `done` is called when it has ended. */
  scrub(done: (() => void) | undefined): void {
    if (this.#problem === undefined) this.#chores.scrub(done);
    else done?.();
  }

  /** No row is removed until the returned function is called. */
  holdRows(): () => void {
    return this.#snapshots.hold();
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** Drops what was compacted and writes all that is behind; `done` is called too when the member stops. */
  defragment(done: () => void): void {
    this.scrub(() => (this.#problem === undefined ? this.#storage.flush(done) : done()));
  }

  notifyProgressEvery(intervalMs: number): void {
    if (this.#problem === undefined) this.#chores.notifyProgressEvery(intervalMs);
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

  /** What changes all the time, without the cost of a whole status. */
  brief(): RaftBrief {
    return this.#raft.brief();
  }

  /** The term of an entry of the log, written or not. */
  logTerm(index: number): number | undefined {
    return this.#raft.logTerm(index);
  }

  get logReader(): LogReader {
    return this.#storage.log;
  }

  get snapshotsSent(): number {
    return this.#snapshots.sent;
  }

  get leader(): MemberId {
    return this.#leader;
  }

  get applied(): number {
    return this.#applied;
  }

  /** Who belongs to the cluster, as far as this member knows; one that was removed may know better from the others. */
  get members(): readonly MemberRecord[] {
    return this.#successors ?? this.#machine.membership.members;
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

  get tables(): StateTables {
    return this.#storage.tables;
  }

  /** Whether it was heard of within the last election timeout. */
  isActive(member: MemberId): boolean {
    return this.#roster.silentMs(member) <= 2 * this.settings.electionTicks * this.settings.tickMs;
  }

  checkInvariants(): void {
    this.#raft.checkInvariants();
    assert(this.#applied >= this.#storage.durableApplied, "what is durable was applied");
  }

  // ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────

  #requestCame(): void {
    this.#quiet.onRequest();
    this.#scheduleRun();
  }

  #tick(): void {
    this.#cancelTick = undefined;
    if (this.#quiet.tick()) return;
    this.#startTicking();
    this.#ticks += 1;
    this.#raft.tick();
    const nowMs = this.#clock.nowMs();
    if (this.#proposals.pending > 0 || this.#reads.pending > 0) {
      this.#proposals.expire(nowMs, this.#timeoutError(nowMs));
      this.#reads.expire(nowMs, this.#timeoutError(nowMs));
    }
    if (this.rpc.pending > 0) this.rpc.expire(this.#leader === NO_MEMBER ? errNoLeader : errTimeout);
    this.leases.tick();
    this.#corruption.tick();
    this.#autoCompaction.tick();
    this.#snapshots.tick();
    this.leaderLoss.tick(this.#leader);
    this.#roster.tick();
    this.changes.tick();
    this.attributes.tick();
    if (this.#leader === this.id && this.#ticks % AUTOPILOT_EVERY_TICKS === 0) this.#roster.autopilot(this.status());
    this.#roster.askAround(this.#leader);
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
    // A leader that was removed goes on until somebody took over, so that what it says last is heard.
    if (from !== this.#leader && this.#machine.membership.wasRemoved(from)) {
      // It may have been away when that was decided, and would ask for votes for ever.
      const asks = body.type === "raft" || body.type === "join" || body.type === "wake";
      const { clusterId, members } = this;
      if (asks && this.#knowsForGood) this.#send(from, { ...REMOVED, clusterId, members });
      done();
      return;
    }
    this.#roster.heard(from);
    this.metrics.peers.received(from, body, frame.length);
    this.changes.heard(from);
    this.#onBody(from, body);
    this.#writes.whenSettled(done);
    this.#scheduleRun();
  }

  /**
   * Whoever is told of its end may never be heard of again, so it is told when a leader does without it: one whose
   * first entry is applied has written that all before it is committed.
   */
  get #knowsForGood(): boolean {
    return this.#leader !== NO_MEMBER && this.#appliedTerm === this.#raft.term;
  }

  #onBody(from: MemberId, body: FrameBody): void {
    switch (body.type) {
      case "raft":
        this.#quiet.onRaft(from, body.messages);
        for (const message of body.messages) {
          // A snapshot is announced by the chunks that bring it, and by nothing else.
          if (message.from === from && message.type !== "snapshot") this.#raft.step(message);
          if (message.type === "propose" || message.type === "read-index") this.#notices.asked(from);
        }
        break;
      case "snapshot-chunk":
        this.#quiet.rouse();
        this.#snapshots.takeChunk(from, this.id, body);
        break;
      case "snapshot-ack":
        this.#snapshots.takeAcknowledgement(from, body.transferId, body.nextSeq);
        break;
      case "join":
        this.#roster.onJoin(body.memberId, body.name, this.#leader);
        break;
      case "quiet":
        this.#quiet.onNotice(from, body.term, body.index);
        break;
      case "wake":
        this.#quiet.onWake(from);
        break;
      case "not-leading":
        this.#quiet.onNotLeading();
        break;
      case "rpc":
        this.#quiet.onRequest();
        this.#notices.asked(from);
        this.rpc.onRequest(from, body);
        break;
      case "rpc-response":
        this.rpc.onResponse(body);
        break;
      case "join-response":
        // One that was removed itself and knows no better sends us to those that it knew last.
        if (body.refusal !== REMOVED.refusal)
          return this.dial(body.members.slice(0, REFERRALS_MAX).map((one) => one.id));
        this.#successors = body.members;
        this.#stopWith(WAS_REMOVED);
        break;
      case "ping":
      case "pong":
      case "goodbye":
        // Carriers and later versions use these; a member has nothing to do for them.
        break;
      default:
        unreachable(body);
    }
  }

  #onPeerUp(peer: MemberId): void {
    this.#roster.up(peer);
    this.#snapshots.peerUp(peer);
    this.#scheduleRun();
  }

  #onPeerDown(peer: MemberId): void {
    this.#roster.down(peer);
    this.metrics.peers.down(peer);
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
      if (this.#quiet.isAwake) this.rpc.dispatch(this.#leader);
      while (this.#raft.hasReady()) {
        this.#work(this.#raft.ready());
        // What was applied or learned may have freed the next batch.
        this.#propose();
        this.#ask();
      }
    } finally {
      this.#running = false;
    }
    this.#snapshots.dropRefused();
    this.#writes.settle();
  }

  /** The next batch gathers while a write is under way: the batch, not the request, pays for the write. */
  #propose(): void {
    while (this.#proposals.queued > 0 && this.#writes.outstanding === 0 && this.#quiet.isAwake) {
      const batch = this.#proposals.nextBatch(PROPOSAL_BATCH_BYTES);
      if (this.#raft.propose(batch) !== "accepted") return;
      this.#proposals.batchTaken(batch.length, this.#raft.term);
      if (this.#leader === this.id) return;
    }
  }

  #ask(): void {
    if (this.#reads.pending === 0 || !this.#quiet.isAwake) return;
    for (const context of this.#reads.toAsk(this.#clock.nowMs())) {
      if (this.#raft.readIndex(context) !== "accepted") {
        this.#reads.askedInVain();
        return;
      }
    }
  }

  #work(ready: Ready): void {
    if (ready.softState !== undefined) this.#leaderChanged(ready.softState.leader);
    this.#sendRaft(this.#notices.sift(ready.messages, ready.committed));
    if (ready.persist !== undefined) this.#persist(ready.persist);
    for (const { context, index } of ready.readStates) this.#reads.confirm(context, index);
    if (ready.committed.length > 0) this.#apply(ready.committed);
    this.#reads.applied(this.#applied);
  }

  #persist(persist: NonNullable<Ready["persist"]>): void {
    const install = persist.snapshot === undefined ? undefined : this.#snapshots.install(persist.snapshot);
    this.#writes.issued(persist.id);
    const sinceMs = this.#clock.nowMs();
    this.#storage.append({ hardState: persist.hardState, entries: persist.entries, install }, (error) =>
      this.#guard(() => this.#persisted(persist.id, sinceMs, install?.snapshot, error)),
    );
  }

  #persisted(id: number, sinceMs: number, snapshot: SnapshotMeta | undefined, error: Error | undefined): void {
    if (error !== undefined) return this.#stopWith({ code: "storage", text: error.message });
    this.#writes.durable(id);
    this.metrics.logWriteSeconds.observe((this.#clock.nowMs() - sinceMs) / 1_000);
    if (snapshot !== undefined) this.#installed(snapshot);
    this.#raft.persisted(id);
    this.#scheduleRun();
  }

  #installed(snapshot: SnapshotMeta): void {
    this.#snapshots.installed();
    this.#applied = snapshot.index;
    this.#appliedTerm = snapshot.term;
    this.#proposals.stateReplaced();
    this.#machine.reopen(this.#storage.tables);
    this.#membershipChanged();
    this.#reads.applied(this.#applied);
    this.scrub(undefined);
    this.pumpWatches();
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.#applied + 1, "entries are applied one after the other");
      if (entry.type === "conf-change") this.#applyConfChange(entry);
      else this.#applyRequest(entry);
      this.#applied = entry.index;
      if (entry.term > this.#appliedTerm) this.#proposals.termApplied(entry.term);
      this.#appliedTerm = entry.term;
      this.#retention.applied(entry.index, entry.data.length);
    }
    this.#storage.stateChanged(this.#applied, this.#appliedTerm);
    this.#raft.appliedTo(this.#applied);
    this.#startLeases();
    if (this.#leader === NO_MEMBER) this.#campaignIfAlone();
    if (this.#machine.hub.hasCatchingUp) this.pumpWatches();
    if (this.#machine.store.isScrubDue) this.scrub(undefined);
    const keepFrom = Math.min(this.#snapshots.keepFrom, this.#storage.durableApplied + 1);
    const cut = this.#retention.cutAt(this.#storage.log.firstIndex(), keepFrom);
    if (cut !== undefined) this.#storage.compactLog(cut);
  }

  #applyRequest(entry: Entry): void {
    const applied = this.#machine.apply(entry.data, entry.index);
    if (applied === undefined) return;
    if (!applied.outcome.ok) this.counters.proposalsFailed += 1;
    this.#proposals.resolve(applied.id, applied.outcome);
  }

  #applyConfChange(entry: Entry): void {
    const change = decodeChange(entry.data);
    if (change === undefined) return;
    const verdict = this.#machine.membership.judge(change);
    if (verdict === "take") this.#machine.applyConfChange(change, this.#raft.applyConfChange(change));
    this.changes.applied(change, verdict);
    if (verdict === "take") this.#membershipChanged();
  }

  /** A leader knows all that its predecessors did once an entry of its own term is applied. */
  #startLeases(): void {
    const { role, term } = this.#raft.brief();
    if (role !== "leader" || this.#appliedTerm !== term || this.leases.term === term) return;
    let first = this.#applied;
    while (this.#raft.logTerm(first - 1) === term) first -= 1;
    this.leases.start(term, first);
  }

  #leaderChanged(leader: MemberId): void {
    if (leader !== this.id) this.leases.stop();
    if (leader !== this.id) this.#snapshots.sendOnlyTo([]);
    if (leader === this.#leader) return;
    if (this.#leader !== NO_MEMBER) this.#leaderLostMs = this.#clock.nowMs();
    this.#leader = leader;
    this.changes.leaderChanged(leader);
    if (leader === NO_MEMBER) return;
    if (leader !== this.id) this.#roster.askIfRemoved();
    this.counters.leaderChanges += 1;
    this.#quiet.awake();
    this.#reads.askedInVain();
    this.attributes.publish();
  }

  #sendRaft(messages: readonly RaftMessage[]): void {
    if (messages.length === 0) return;
    const sent = messages.filter((message) => message.type !== "snapshot");
    for (const frame of raftFrames(sent)) this.#send(frame.to, { type: "raft", messages: frame.messages });
    for (const message of messages) {
      if (message.type === "snapshot") this.#snapshots.send(message, this.#applied, this.#machine.store.revision);
    }
  }

  #send(to: MemberId, body: FrameBody): void {
    const frame = encodeFrame({ clusterId: this.clusterId, from: this.id, to }, body);
    this.counters.framesSent += 1;
    this.counters.bytesSent += frame.length;
    this.metrics.peers.sent(to, body, frame.length);
    this.#transport.send(to, frame);
  }

  // ── chores ────────────────────────────────────────────────────────────────────────────────────────────────────

  #membershipChanged(): void {
    const { membership } = this.#machine;
    this.#options.onMembership?.(membership.members);
    this.#roster.connect();
    this.#snapshots.sendOnlyTo(this.#roster.others);
    this.#leaveIfRemoved();
    this.attributes.publish();
  }

  /** Nobody else could be elected, so there is no election timeout to wait for. */
  #campaignIfAlone(): void {
    const { voters } = this.#machine.membership.confState;
    if (voters.length === 1 && voters[0] === this.id) this.#raft.campaign();
  }

  /**
   * Told by its leader, who knows it for good, a member may go. One that led itself may be the only one who knows: the
   * others may need its vote and its log to come to the same, so it stays until one of them says that it was removed. So
   * does one that was started again, and does not remember who told it.
   */
  #leaveIfRemoved(): void {
    if (!this.#machine.membership.wasRemoved(this.id)) return;
    if (this.#leader !== NO_MEMBER && this.#leader !== this.id) this.#stopWith(WAS_REMOVED);
  }

  #startTicking(): void {
    if (this.#problem !== undefined) return;
    this.#cancelTick ??= this.#clock.setTimer(this.settings.tickMs, () => this.#guard(() => this.#tick()));
  }

  #stopTicking(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
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
      maxAppendBytes: this.settings.limits.appendBytes,
      maxInflightMessages: 256,
      maxInflightBytes: 4 * this.settings.limits.appendBytes,
      maxUncommittedBytes: 64 * 1024 * 1024,
      maxApplyBytes: 4 * 1024 * 1024,
    });
  }

  #makeRoster(): Roster {
    return new Roster({
      id: this.id,
      name: this.name,
      options: this.#options,
      tickMs: this.settings.tickMs,
      membership: () => this.#machine.membership,
      send: (to, body) => this.#send(to, body),
      change: (type, id, context) => this.changeMembership(type, id, context),
    });
  }

  #makeSnapshots(prng: Prng): Snapshots {
    return new Snapshots({
      raft: () => this.#raft,
      storage: this.#storage,
      chunkBytes: this.settings.limits.snapshotChunkBytes,
      firstTransfer: Number(prng.u64() >> 16n),
      send: (to, body) => this.#send(to, body),
      onTransferEnd: () => this.scrub(undefined),
      onRejected: () => {
        this.counters.framesRejected += 1;
      },
    });
  }

  #makeQuiet(): Quiet {
    return new Quiet(this.settings.quietAfterTicks, {
      id: this.id,
      raft: () => this.#raft,
      leader: () => this.#leader,
      others: () => this.#roster.others,
      send: (to, body) => this.#send(to, body),
      hasWork: () =>
        this.#proposals.pending > 0 ||
        this.#reads.pending > 0 ||
        this.rpc.pending > 0 ||
        this.changes.pending > 0 ||
        this.leases.isBusy ||
        this.#snapshots.holdsRows,
      startTicking: () => this.#startTicking(),
      stopTicking: () => this.#stopTicking(),
      goingQuiet: () => this.leases.sleep(),
    });
  }

  #makeRpc(prng: Prng): Rpc {
    const { pendingRequests } = this.settings.limits;
    return new Rpc(
      {
        id: this.id,
        firstCall: Number(prng.u64() >> 16n),
        send: (to, body) => this.#send(to, body),
        nowMs: () => this.#clock.nowMs(),
        defer: (run) => this.#clock.defer(() => this.#guard(run)),
      },
      { pending: pendingRequests, timeoutMs: this.settings.requestTimeoutMs, retryMs: RPC_RETRY_MS },
    );
  }

  #makeLeases(): LeaseKeeper {
    return new LeaseKeeper({
      clock: this.#clock,
      rpc: this.rpc,
      table: () => this.#machine.leases,
      // A lease ends because its time is over, whoever's it was.
      write: (request, done) => this.write(request, done, { username: ROOT, revision: this.#machine.auth.revision }),
      linearizable: (read, fail) => this.linearizable(read, fail),
      logTerm: (index) => this.#raft.logTerm(index),
      newest: () => {
        const { lastIndex, term } = this.#raft.status();
        return { index: lastIndex, term: this.#raft.logTerm(lastIndex) ?? term };
      },
      extensionMs: this.settings.electionTicks * this.settings.tickMs,
      wakeup: this.#options.wakeup,
      wake: () => this.#guard(() => this.wake()),
      mayRevoke: () => !this.#machine.alarms.has("CORRUPT"),
    });
  }

  #makeHashing(): Hashing {
    return new Hashing({
      clock: this.#clock,
      store: () => this.#machine.store,
      guard: (step) => this.#guard(step),
      released: () => this.scrub(undefined),
    });
  }

  #makeChanges(prng: Prng): ClusterChanges {
    const { electionTicks, tickMs, requestTimeoutMs } = this.settings;
    const { maxLearners, strictReconfigCheck, newMemberId } = this.#options.cluster ?? {};
    const ids = prng.fork();
    return new ClusterChanges({
      id: this.id,
      rpc: this.rpc,
      membership: () => this.#machine.membership,
      status: () => this.status(),
      leader: () => this.#leader,
      propose: (change) => this.#raft.proposeConfChange(change),
      newChangeId: () => this.#newRequestId(),
      newMemberId: newMemberId ?? (() => ids.u64() | 1n),
      nowMs: () => this.#clock.nowMs(),
      wake: () => this.#requestCame(),
      timeoutMs: requestTimeoutMs,
      electionTicks,
      tickMs,
      maxLearners: maxLearners ?? 1,
      isStrict: strictReconfigCheck ?? true,
    });
  }

  #makeAttributes(): Attributes {
    return new Attributes(
      {
        id: this.id,
        name: this.name,
        membership: () => this.#machine.membership,
        leader: () => this.#leader,
        write: (request, done) => this.write(request, done),
      },
      this.#options.cluster?.clientUrls,
    );
  }

  #makeChores(): Chores {
    return new Chores({
      clock: this.#clock,
      machine: this.#machine,
      guard: (step) => this.#guard(step),
      mayScrub: () => !this.#snapshots.holdsRows && !this.hashing.holdsRows,
      onScrubbed: () => this.#storage.stateChanged(this.#applied, this.#appliedTerm),
    });
  }

  #snapshotMeta(): SnapshotMeta | undefined {
    if (this.#applied === 0 || this.#snapshots.installing) return undefined;
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
    this.#notices.stop();
    this.leases.stop();
    this.changes.stop(problem === WAS_REMOVED);
    this.rpc.failAll(errStopped);
    this.#chores.stop();
    this.hashing.stop();
    this.#snapshots.stop();
    this.#proposals.failAll(errStopped);
    this.#reads.failAll(errStopped);
    this.#transport.close();
    for (const run of this.#stopListeners) run();
    this.#options.onStopped?.(problem);
  }
}
