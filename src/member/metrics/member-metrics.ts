/** What a member counts while it works, in a bounded number of numbers; health.ts prints them under etcd's names. */
import type { CallMetrics } from "./call-metrics.ts";
import { doublings, Histogram } from "./histogram.ts";
import { PeerMetrics } from "./peer-metrics.ts";
import type { ProbeKind, ProbeResult } from "../api/services.ts";

const DISK_SECONDS = doublings(0.001, 14);

export interface ProbeCounters {
  readonly kind: ProbeKind;
  readonly name: string;
  succeeded: number;
  failed: number;
  /** Of the last time. */
  isGood: boolean;
}

export interface MemberCounters {
  proposalsFailed: number;
  leaderChanges: number;
  framesRejected: number;
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
}

export class MemberMetrics {
  readonly counters: MemberCounters = {
    proposalsFailed: 0,
    leaderChanges: 0,
    framesRejected: 0,
    framesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
  /** Where calls are counted: nobody reads the numbers of a tab. */
  calls: CallMetrics | undefined;
  readonly peers: PeerMetrics;
  /** From handing entries to storage until they are durable. */
  readonly logWriteSeconds: Histogram = new Histogram(DISK_SECONDS);
  /** Of a transaction that writes the state behind. */
  readonly stateWriteSeconds: Histogram = new Histogram(DISK_SECONDS);
  readonly health: { succeeded: number; failed: number } = { succeeded: 0, failed: 0 };
  readonly #probes: Map<string, ProbeCounters> = new Map();

  constructor(nowMs: () => number) {
    this.peers = new PeerMetrics(nowMs);
  }

  get probes(): Iterable<ProbeCounters> {
    return this.#probes.values();
  }

  probed(kind: ProbeKind, { name, failure }: ProbeResult): void {
    const isGood = failure === undefined;
    const known = this.#probes.get(`${kind}/${name}`) ?? { kind, name, succeeded: 0, failed: 0, isGood };
    known.isGood = isGood;
    known.succeeded += isGood ? 1 : 0;
    known.failed += isGood ? 0 : 1;
    this.#probes.set(`${kind}/${name}`, known);
  }
}
