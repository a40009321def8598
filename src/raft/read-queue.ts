/**
 * Linearizable reads that wait for proof that this leader still leads (§6.4 of Ongaro's thesis).
 *
 * Reads are numbered in order of arrival. A heartbeat carries the number of the newest read, and its response returns
 * it. A member that acknowledges n has acknowledged a heartbeat that was sent after read n arrived. That proves all
 * reads up to n at once. So one round of heartbeats serves any number of reads.
 */
import type { LogIndex, MemberId } from "../protocol/peer/raft-message.ts";
import { MAX_PENDING_READS } from "./config.ts";

export interface ReadRequest {
  readonly from: MemberId;
  readonly context: Uint8Array;
}

export interface NumberedRead extends ReadRequest {
  /** What the read waits for: the commit index when it arrived, or the end of the log that its leader found (R44). */
  readonly index: LogIndex;
}

const NO_CONTEXT: Uint8Array = new Uint8Array(0);

export class ReadQueue {
  #unconfirmed: NumberedRead[] = [];
  #confirmedCount = 0;
  /** The run of the leader (Core.run), so that responses to its run before a restart prove nothing. */
  readonly #run: number;

  constructor(run: number) {
    this.#run = run;
  }

  /** The number of the newest read. */
  get position(): number {
    return this.#confirmedCount + this.#unconfirmed.length;
  }

  get size(): number {
    return this.#unconfirmed.length;
  }

  get isFull(): boolean {
    return this.size >= MAX_PENDING_READS;
  }

  add(request: ReadRequest, index: LogIndex): void {
    this.#unconfirmed.push({ from: request.from, context: request.context, index });
  }

  /** Returns the reads that are proven because a quorum acknowledged `position`. */
  confirm(position: number): readonly NumberedRead[] {
    const count = position - this.#confirmedCount;
    if (count <= 0) return [];
    const confirmed = this.#unconfirmed.splice(0, count);
    this.#confirmedCount += confirmed.length;
    return confirmed;
  }

  /** Returns the position that a heartbeat carries: none when no read waits. */
  heartbeatContext(): Uint8Array {
    return this.size > 0 ? encodePosition(this.#run, this.position) : NO_CONTEXT;
  }
}

function encodePosition(run: number, position: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(run), true);
  view.setBigUint64(8, BigInt(position), true);
  return bytes;
}

/** Returns 0 for a context that the leader of this run did not send. */
export function decodePosition(context: Uint8Array, run: number): number {
  if (context.length !== 16) return 0;
  const view = new DataView(context.buffer, context.byteOffset, 16);
  return view.getBigUint64(0, true) === BigInt(run) ? Number(view.getBigUint64(8, true)) : 0;
}
