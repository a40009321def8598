/**
 * The faults of one run, drawn from its seed. Each kind of fault is on or off as a whole ("swarm testing"), because a
 * run with all faults all the time never gets far enough to reach the rarer states.
 */
import type { Prng } from "../../src/base/prng.ts";

export interface Faults {
  // The network. Most frames take up to `delayMs`, a few up to `slowMs`.
  readonly lossProbability: number;
  readonly duplicateProbability: number;
  readonly delayMs: number;
  /** Messages to members that no majority needs wait for this time, as at the edge; 0: none does. */
  readonly spareDelayMs: number;
  readonly slowProbability: number;
  readonly slowMs: number;
  // The disks.
  readonly diskMs: number;
  readonly stallProbability: number;
  readonly stallMs: number;
  /** Up to this many state rows are collected before they are written behind the log. */
  readonly flushRows: number;
  // Mean time between events of a kind over the whole cluster; Infinity: never.
  readonly crashEveryMs: number;
  /** A crashed machine is back after this time at most. */
  readonly downMs: number;
  readonly blackoutEveryMs: number;
  readonly partitionEveryMs: number;
  /** Frames are lost in one direction, without a notification. */
  readonly deafEveryMs: number;
  /** The page is frozen or the laptop closed: nothing runs, and then everything at once. */
  readonly freezeEveryMs: number;
  readonly membershipEveryMs: number;
  /** A member loses its whole storage, and another one must take its place. */
  readonly lostDatabaseEveryMs: number;
  readonly transferEveryMs: number;
  readonly compactEveryMs: number;
  /** Clients fall silent for a while. */
  readonly lullEveryMs: number;
  /** Clocks of members run at speeds within this fraction of each other. */
  readonly drift: number;
  /** Log entries that a member keeps; few, so that snapshots happen. */
  readonly logEntries: number;
  /** Bytes of entries per append message, so that the log's end is sent in several messages. */
  readonly appendBytes: number;
  readonly snapshotChunkBytes: number;
  readonly watchStreamBytes: number;
  /** Watchers read their responses after this time at most. */
  readonly slowReaderMs: number;
  /** The members create the cluster as tabs create a room: one starts, the others request to join, with autopilot. */
  readonly isRoom: boolean;
  /** 0: the cluster never quiesces. */
  readonly quiesceAfterTicks: number;
  /** Members that stand still are evicted from memory, and are there again when something arrives. */
  readonly evictEveryMs: number;
  /** Members are changed through etcd's service, under its rules, and not only through Raft. */
  readonly usesService: boolean;
  /** A member's database is closed without a word: what it writes is never acknowledged, until it is started again. */
  readonly silenceEveryMs: number;
  /** Browser profiles that queue writes; undefined: none. */
  readonly outbox: OutboxFaults | undefined;
  /** A room of shape "mixed": its first member is an object, which alone is evicted, and all others are tabs. */
  readonly isMixed: boolean;
  /** Tabs found that room, and the object, which comes second, votes from the first change of the shape on. */
  readonly isGiven: boolean;
  /** Who votes in a mixed room is changed: by the object alone, with tabs, or by tabs alone. */
  readonly reshapeEveryMs: number;
  /** A tab is closed: it says goodbye, stops, and is opened again later. */
  readonly leaveEveryMs: number;
  /** Of a room: people are invited, come, and are locked out again. Undefined: nobody is. */
  readonly guests: GuestFaults | undefined;
  /** Some pairs of tabs reach each other over the object's server only, and not while that is down. */
  readonly isRelayed: boolean;
}

/** Times are means between events of a kind over the whole room. */
export interface GuestFaults {
  readonly inviteEveryMs: number;
  /** Somebody comes by an invitation: one that is open, or over. */
  readonly comeEveryMs: number;
  /** An invitation is revoked, or a guest removed. */
  readonly endEveryMs: number;
  /** Invitations are open for this time at most. */
  readonly expiryMs: number;
}

/** What happens to browser profiles that queue writes. Times are means between events of one profile. */
export interface OutboxFaults {
  readonly profiles: number;
  /** Of each profile, which all send at once. */
  readonly tabs: number;
  /** Of requests, of answers, and of second and late deliveries. */
  readonly lossProbability: number;
  /** Seconds without use until the cluster forgets an outbox. */
  readonly markerTtl: number;
  readonly crashEveryMs: number;
  readonly freezeEveryMs: number;
  readonly silenceEveryMs: number;
  readonly lossEveryMs: number;
  /** The profile gets an old copy of its store. */
  readonly restoreEveryMs: number;
}

const NEVER = Infinity;

export function drawFaults(prng: Prng): Faults {
  const on = (probability: number): boolean => prng.bool(probability);
  const every = (probability: number, lowMs: number, highMs: number): number =>
    on(probability) ? prng.int(lowMs, highMs) : NEVER;
  const faults = {
    lossProbability: on(0.6) ? 0.01 + prng.next() * 0.15 : 0,
    duplicateProbability: on(0.5) ? 0.02 + prng.next() * 0.1 : 0,
    delayMs: 1 + prng.int(0, 40),
    slowProbability: on(0.5) ? 0.02 : 0,
    slowMs: 100 + prng.int(0, 3_000),
    diskMs: on(0.7) ? 1 + prng.int(0, 15) : 0.1,
    stallProbability: on(0.3) ? 0.01 : 0,
    stallMs: 200 + prng.int(0, 1_500),
    flushRows: on(0.6) ? 1 + prng.int(0, 60) : 1,
    crashEveryMs: every(0.7, 3_000, 15_000),
    downMs: on(0.25) ? 100 + prng.int(0, 400) : 8_000,
    blackoutEveryMs: every(0.2, 10_000, 30_000),
    partitionEveryMs: every(0.55, 4_000, 16_000),
    deafEveryMs: every(0.35, 4_000, 16_000),
    freezeEveryMs: every(0.35, 6_000, 18_000),
    membershipEveryMs: every(0.5, 4_000, 14_000),
    lostDatabaseEveryMs: every(0.25, 8_000, 20_000),
    transferEveryMs: every(0.25, 3_000, 12_000),
    compactEveryMs: every(0.5, 3_000, 10_000),
    lullEveryMs: every(0.4, 8_000, 20_000),
    drift: on(0.5) ? 0.15 : 0,
    logEntries: on(0.6) ? 20 + prng.int(0, 80) : 10_000,
    appendBytes: on(0.4) ? 50 + prng.int(0, 400) : 1024 * 1024,
    snapshotChunkBytes: on(0.6) ? 100 + prng.int(0, 1_500) : 128 * 1024,
    watchStreamBytes: on(0.5) ? 300 + prng.int(0, 3_000) : 4 * 1024 * 1024,
    slowReaderMs: on(0.5) ? 20 + prng.int(0, 3_000) : 0,
    isRoom: on(0.25),
    quiesceAfterTicks: on(0.3) ? 15 + prng.int(0, 20) : 0,
    usesService: on(0.6),
    evictEveryMs: every(0.7, 500, 3_000),
    silenceEveryMs: every(0.2, 8_000, 20_000),
    outbox: on(0.35)
      ? {
          profiles: prng.int(1, 3),
          tabs: prng.int(1, 3),
          lossProbability: on(0.7) ? 0.02 + prng.next() * 0.2 : 0,
          markerTtl: on(0.5) ? prng.int(5, 30) : 10_000,
          crashEveryMs: every(0.6, 2_000, 10_000),
          freezeEveryMs: every(0.5, 3_000, 12_000),
          silenceEveryMs: every(0.4, 6_000, 20_000),
          lossEveryMs: every(0.3, 10_000, 30_000),
          restoreEveryMs: every(0.3, 8_000, 30_000),
        }
      : undefined,
  };
  const isMixed = faults.isRoom && on(0.5);
  return {
    ...faults,
    isMixed,
    leaveEveryMs: isMixed ? every(0.8, 2_000, 12_000) : NEVER,
    isRelayed: on(0.5),
    guests:
      faults.isRoom && on(0.6)
        ? {
            inviteEveryMs: prng.int(1_000, 5_000),
            comeEveryMs: prng.int(1_000, 4_000),
            endEveryMs: prng.int(2_000, 8_000),
            expiryMs: prng.int(3_000, 30_000),
          }
        : undefined,
    // Not drawn either: tests ask for them.
    isGiven: false,
    reshapeEveryMs: NEVER,
    // Not drawn, so that a seed draws what it always drew.
    spareDelayMs: faults.delayMs % 2 === 0 ? 2 * faults.delayMs : 0,
  };
}
