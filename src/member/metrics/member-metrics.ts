/** Counters of a running member, bounded in number. metric-samples.ts exposes them under etcd's names. */
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
  /** Result of the last check. */
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
  /** The protocol version of the last peer whose frames could not be read because of it. */
  otherVersion: number | undefined;
  /** Set where calls are counted. Nothing reads the metrics of a tab. */
  calls: CallMetrics | undefined;
  readonly peers: PeerMetrics;
  /** Seconds from passing entries to storage until they are durable. */
  readonly logWriteSeconds: Histogram = new Histogram(DISK_SECONDS);
  /** Seconds of a write-behind transaction of the state. */
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
