/**
 * Composition root: constructs the parts of a member and connects them.
 *
 * Each part gets this object, declares the fields that it uses as an interface (`XDeps`, `XHost`), and reads them when
 * it is called, not in its constructor: later parts do not exist yet. A part cannot reach what it does not declare.
 * Parts draw from the PRNG in construction order; a new order changes what a seed replays.
 *
 * What the parts do together is in driver.ts (a run), ticker.ts (a tick), inbox.ts (a frame) and `stopInOrder` (the
 * end).
 */
import { assert } from "../../base/assert.ts";
import { ROOT } from "../../auth/auth-store.ts";
import type { Prng } from "../../base/prng.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { Raft } from "../../raft/raft.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Transport } from "../../transport/transport.ts";
import { PeerGate } from "./peer-gate.ts";
import { PeerRoles } from "./peer-roles.ts";
import { Admission } from "./admission.ts";
import { Applier } from "./applier.ts";
import { Availability } from "./availability.ts";
import { Freshness } from "./freshness.ts";
import { Attributes } from "../membership/attributes.ts";
import { AutopilotRunner } from "../membership/autopilot-runner.ts";
import { OwnKey } from "../membership/own-key.ts";
import { MembershipMonitor } from "./membership-monitor.ts";
import { Callers } from "../limits/callers.ts";
import { StoreMaintenance } from "../background/store-maintenance.ts";
import type { Clock } from "../clock.ts";
import { ClusterChanges } from "../membership/cluster-changes.ts";
import { Driver } from "./driver.ts";
import { startingHardState } from "./bootstrap.ts";
import { FrameFilter } from "./frame-filter.ts";
import { HashQueue } from "../background/hash-queue.ts";
import { Inbox } from "./inbox.ts";
import { JoinHandler } from "./join-handler.ts";
import { LeaderTracker } from "./leader-tracker.ts";
import { LeaderMonitor } from "./leader-monitor.ts";
import { Lessor } from "../background/lessor.ts";
import { Lifecycle } from "./lifecycle.ts";
import { stopInOrder } from "./stop-order.ts";
import { logRetention } from "../apply/log-retention.ts";
import type { LogRetention } from "../apply/log-retention.ts";
import { MemberMetrics } from "../metrics/member-metrics.ts";
import { settingsOf } from "../options.ts";
import type { MemberOptions, Settings } from "../options.ts";
import { Outbox } from "../peer/outbox.ts";
import { Proposals } from "./proposals.ts";
import { Quiescence } from "./quiescence.ts";
import { Reads } from "./reads.ts";
import { PeerTracker } from "../membership/peer-tracker.ts";
import { Rpc } from "../peer/rpc.ts";
import { SendDelays } from "../peer/send-delays.ts";
import { SimpleTokens } from "../auth/simple-tokens.ts";
import { Snapshots } from "../snapshot/snapshots.ts";
import { StateMachine } from "../apply/state-machine.ts";
import { StorageFailure } from "./storage-failure.ts";
import { Ticker } from "./ticker.ts";
import { WritesInFlight } from "./writes-in-flight.ts";
import { ViewChanges } from "./view-changes.ts";

const RPC_RETRY_MS = 1_000;

export class Assembly {
  readonly options: MemberOptions;
  readonly settings: Settings;
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly name: string;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly metrics: MemberMetrics;
  readonly callers: Callers;
  readonly lifecycle: Lifecycle;
  readonly storageFailure: StorageFailure;
  readonly ticker: Ticker;
  readonly driver: Driver;
  readonly inbox: Inbox;
  readonly filter: FrameFilter;
  readonly peerGate: PeerGate;
  readonly peerRoles: PeerRoles;
  readonly joinHandler: JoinHandler;
  readonly outbox: Outbox;
  readonly leader: LeaderTracker;
  readonly membershipMonitor: MembershipMonitor;
  readonly rpc: Rpc;
  readonly lessor: Lessor;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
  readonly ownKey: OwnKey;
  readonly tokens: SimpleTokens;
  readonly machine: StateMachine;
  readonly applier: Applier;
  readonly raft: Raft;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly writes: WritesInFlight;
  readonly admission: Admission;
  readonly retention: LogRetention;
  readonly peers: PeerTracker;
  readonly autopilot: AutopilotRunner;
  readonly snapshots: Snapshots;
  readonly sendDelays: SendDelays;
  readonly quiescence: Quiescence;
  readonly hashQueue: HashQueue;
  readonly leaderMonitor: LeaderMonitor;
  readonly maintenance: StoreMaintenance;
  readonly freshness: Freshness;
  readonly availability: Availability;
  readonly viewChanges: ViewChanges;

  constructor(options: MemberOptions) {
    const { storage, transport, clock, prng } = options;
    assert(storage.identity !== undefined, "the store knows whose it is");
    this.options = options;
    this.settings = settingsOf(options);
    this.id = storage.identity.memberId;
    this.clusterId = storage.identity.clusterId;
    this.name = storage.identity.name;
    this.storage = storage;
    this.transport = transport;
    this.clock = clock;
    const { limits, electionTicks } = this.settings;
    this.metrics = new MemberMetrics(() => clock.nowMs());
    storage.onStateWritten = (durationMs) => this.metrics.stateWriteSeconds.observe(durationMs / 1_000);
    this.callers = new Callers(limits);
    this.lifecycle = new Lifecycle(options.onStopped);
    this.storageFailure = new StorageFailure(this);
    storage.onFailed = (error) => this.storageFailure.report(error);
    this.ticker = new Ticker(this);
    this.driver = new Driver(this);
    this.inbox = new Inbox(this);
    this.filter = new FrameFilter(this);
    this.peerGate = new PeerGate(this);
    this.peerRoles = new PeerRoles(this);
    this.joinHandler = new JoinHandler(this);
    this.outbox = new Outbox(this);
    this.leader = new LeaderTracker(this);
    this.membershipMonitor = new MembershipMonitor(this);
    this.rpc = makeRpc(this, prng);
    this.lessor = makeLessor(this);
    this.changes = makeChanges(this, prng);
    this.attributes = makeAttributes(this);
    this.ownKey = makeOwnKey(this);
    this.tokens = makeTokens(this);
    const header = (revision: number): ResponseHeader => this.header(revision);
    this.machine = new StateMachine(storage.tables, header, limits, this.lessor, this.tokens);
    this.applier = new Applier(this, storage);
    this.raft = makeRaft(this, prng);
    this.proposals = new Proposals(limits.pendingRequests, limits.pendingBytes);
    this.reads = new Reads(this.id, prng.u64(), limits.pendingRequests);
    this.writes = new WritesInFlight();
    this.admission = new Admission(this, prng);
    this.retention = logRetention(limits);
    this.peers = makePeerTracker(this);
    this.autopilot = makeAutopilot(this);
    this.snapshots = makeSnapshots(this, prng);
    this.sendDelays = new SendDelays({
      ...this.settings,
      id: this.id,
      clock,
      send: (messages) => this.lifecycle.runOrStop(() => this.driver.send(messages)),
      confState: () => this.machine.membership.confState,
    });
    this.quiescence = makeQuiescence(this);
    this.hashQueue = makeHashQueue(this);
    this.leaderMonitor = new LeaderMonitor(electionTicks);
    this.maintenance = makeMaintenance(this);
    this.freshness = new Freshness(this);
    this.availability = new Availability(this);
    this.viewChanges = new ViewChanges(this);
    stopInOrder(this);
  }

  header(revision: number): ResponseHeader {
    return { clusterId: this.clusterId, memberId: this.id, revision, raftTerm: this.raft.term };
  }
}

function makeRpc({ id, settings, clock, outbox, lifecycle }: Assembly, prng: Prng): Rpc {
  return new Rpc(
    {
      id,
      firstCall: Number(prng.u64() >> 16n),
      send: (to, body) => outbox.send(to, body),
      nowMs: () => clock.nowMs(),
      defer: (run) => clock.defer(() => lifecycle.runOrStop(run)),
    },
    { pending: settings.limits.pendingRequests, timeoutMs: settings.requestTimeoutMs, retryMs: RPC_RETRY_MS },
  );
}

function makeLessor(parts: Assembly): Lessor {
  const { settings, clock, rpc, lifecycle } = parts;
  return new Lessor({
    clock,
    rpc,
    table: () => parts.machine.leases,
    // A lease ends because its TTL has elapsed, so root revokes it, no matter which user granted it.
    write: (request, done) =>
      parts.admission.write(request, done, { username: ROOT, revision: parts.machine.auth.revision }),
    linearizable: (read, fail) => parts.admission.linearizable(read, fail),
    logTerm: (index) => parts.raft.logTerm(index),
    newest: () => {
      const { lastIndex, term } = parts.raft.status();
      return { index: lastIndex, term: parts.raft.logTerm(lastIndex) ?? term };
    },
    extensionMs: settings.electionTicks * settings.tickMs,
    wakeup: parts.options.wakeup,
    isReader: () => parts.machine.membership.guest(parts.id)?.role === "reader",
    wake: () => lifecycle.runOrStop(() => parts.admission.wake()),
    mayRevoke: () => !parts.machine.alarms.has("CORRUPT"),
  });
}

function makeChanges(parts: Assembly, prng: Prng): ClusterChanges {
  const { electionTicks, tickMs, requestTimeoutMs } = parts.settings;
  const { maxLearners, strictReconfigCheck, newMemberId } = parts.options.cluster ?? {};
  const ids = prng.fork();
  return new ClusterChanges({
    id: parts.id,
    rpc: parts.rpc,
    membership: () => parts.machine.membership,
    status: () => parts.raft.status(),
    leader: () => parts.leader.id,
    propose: (change) => parts.raft.proposeConfChange(change),
    newChangeId: () => parts.admission.newRequestId(),
    newMemberId: newMemberId ?? (() => ids.u64() | 1n),
    nowMs: () => parts.clock.nowMs(),
    wake: () => parts.admission.wake(),
    timeoutMs: requestTimeoutMs,
    electionTicks,
    tickMs,
    maxLearners: maxLearners ?? 1,
    isStrict: strictReconfigCheck ?? true,
  });
}

function makeAttributes(parts: Assembly): Attributes {
  return new Attributes(
    {
      id: parts.id,
      name: parts.name,
      membership: () => parts.machine.membership,
      leader: () => parts.leader.id,
      write: (request, done) => parts.admission.write(request, done),
    },
    parts.options.cluster?.clientUrls,
  );
}

function makeOwnKey(parts: Assembly): OwnKey {
  return new OwnKey({
    id: parts.id,
    name: parts.name,
    key: parts.options.key,
    membership: () => parts.machine.membership,
    leader: () => parts.leader.id,
    send: (to, body) => parts.outbox.send(to, body),
    change: (type, id, context) => parts.admission.changeMembership(type, id, context),
  });
}

function makeTokens({ clock, settings, storage }: Assembly): SimpleTokens {
  return new SimpleTokens(() => clock.nowMs(), {
    ttlMs: settings.authTokenTtlMs,
    countMax: settings.limits.authTokens,
    lastIndexAtOpen: storage.log.lastIndex(),
  });
}

function makeRaft(parts: Assembly, prng: Prng): Raft {
  const { settings, storage, applier } = parts;
  return new Raft({
    id: parts.id,
    electionTicks: settings.electionTicks,
    heartbeatTicks: 1,
    prng,
    log: storage.log,
    hardState: startingHardState(storage),
    confState: parts.machine.membership.confState,
    applied: applier.index,
    resumable: parts.options.resumption?.saved,
    snapshotMeta: () => applier.snapshotMeta,
    maxAppendBytes: settings.limits.appendBytes,
    maxInflightMessages: 256,
    maxInflightBytes: 4 * settings.limits.appendBytes,
    maxUncommittedBytes: 64 * 1024 * 1024,
    maxApplyBytes: 4 * 1024 * 1024,
  });
}

function makePeerTracker(parts: Assembly): PeerTracker {
  return new PeerTracker({
    id: parts.id,
    name: parts.name,
    options: parts.options,
    tickMs: parts.settings.tickMs,
    membership: () => parts.machine.membership,
    send: (to, body) => parts.outbox.send(to, body),
  });
}

function makeAutopilot(parts: Assembly): AutopilotRunner {
  return new AutopilotRunner({
    id: parts.id,
    options: parts.options.autopilot,
    tickMs: parts.settings.tickMs,
    learnersMax: parts.settings.limits.joinedLearners,
    membership: () => parts.machine.membership,
    peers: () => parts.peers,
    change: (type, id, context) => parts.admission.changeMembership(type, id, context),
    changeVotes: (changes) => parts.admission.changeVotes(changes),
    transferLeader: (to) => parts.admission.transferLeader(to),
  });
}

function makeSnapshots(parts: Assembly, prng: Prng): Snapshots {
  return new Snapshots({
    raft: () => parts.raft,
    storage: parts.storage,
    chunkBytes: parts.settings.limits.snapshotChunkBytes,
    firstTransfer: Number(prng.u64() >> 16n),
    send: (to, body) => parts.outbox.send(to, body),
    onTransferEnd: () => parts.maintenance.scheduleCompaction(undefined),
    onRejected: () => {
      parts.metrics.counters.framesRejected += 1;
    },
  });
}

/** A learner that is there responds to each heartbeat, also in a page in the background. */
const SILENT_MS = 5_000;

function makeQuiescence(parts: Assembly): Quiescence {
  const { proposals, reads, rpc, changes, lessor, snapshots } = parts;
  return new Quiescence(parts.settings, {
    id: parts.id,
    raft: () => parts.raft,
    leader: () => parts.leader.id,
    others: () => parts.peers.others,
    isSilent: (peer) => parts.peers.sinceContactMs(peer) > SILENT_MS,
    send: (to, body) => parts.outbox.send(to, body),
    hasWork: () =>
      proposals.pending > 0 ||
      reads.pending > 0 ||
      rpc.pending > 0 ||
      changes.pending > 0 ||
      lessor.isBusy ||
      parts.autopilot.isWaiting ||
      snapshots.holdsRows,
    isCutOff: () => parts.autopilot.isObject && parts.peers.isCutOff,
    startTicking: () => parts.ticker.start(),
    stopTicking: () => parts.ticker.stop(),
    onQuiesce: () => {
      lessor.hibernate();
      saveResumePoint(parts);
    },
    onStop: () => parts.applier.cutQuietLog(),
  });
}

/** Nothing is saved again as long as nothing was written. */
function saveResumePoint({ options: { resumption }, raft }: Assembly): void {
  if (resumption === undefined) return;
  const point = raft.markResumable();
  if (point !== undefined) resumption.save(point);
}

function makeHashQueue(parts: Assembly): HashQueue {
  return new HashQueue({
    clock: parts.clock,
    store: () => parts.machine.store,
    runOrStop: (step) => parts.lifecycle.runOrStop(step),
    released: () => parts.maintenance.scheduleCompaction(undefined),
  });
}

function makeMaintenance({ clock, machine, lifecycle, snapshots, hashQueue, applier }: Assembly): StoreMaintenance {
  return new StoreMaintenance({
    clock,
    machine,
    runOrStop: (step) => lifecycle.runOrStop(step),
    readOrStop: (step) => lifecycle.readOrStop(step),
    mayCompact: () => !snapshots.holdsRows && !hashQueue.holdsRows,
    onCompacted: () => applier.stateChanged(),
  });
}
