/**
 * Streams a member's data: a file of etcd's format, and its SHA-256. All of it is of one revision, while the member
 * continues to write. Memory is bounded by what is in flight.
 *
 * Rows must not be removed meanwhile, so compaction waits. A reader that takes nothing for a while is disconnected, and
 * so is one that takes so little that it would hold the rows for ever.
 */
import { Sha256 } from "../../../base/sha256.ts";
import { BoltWriter } from "../../../protocol/bbolt/bolt-writer.ts";
import { ROOT } from "../../../auth/auth-store.ts";
import { errStopped, errTimeout } from "../../../protocol/errors.ts";
import { snapshotResponse } from "../../../protocol/api/maintenance.ts";
import type { Member } from "../../node/member.ts";
import { checkLeader, checkServing } from "../../node/requests.ts";
import type { CallContext, MaintenanceService } from "../../api/services.ts";
import { snapshotSources } from "../../snapshot/snapshot-file.ts";
import type { SnapshotState } from "../../snapshot/snapshot-file.ts";

const BLOB_BYTES = 32 * 1024;
const STALLED_MS = 10_000;
/** From this time on a reader must have taken BYTES_PER_SECOND_MIN on average. */
const HURRY_AFTER_MS = 30_000;
const BYTES_PER_SECOND_MIN = 16 * 1024;
/** Leaves measured before the thread is released. */
const MEASURED_PER_TURN = 4;

export function snapshotService(member: Member): Pick<MaintenanceService, "snapshot"> {
  return {
    async *snapshot(_request, context) {
      // Whoever has no room left may save what is here elsewhere.
      checkLeader(member, context, true);
      const { release } = member.callers.take("snapshots", context, 1, isOwner(member, context));
      const hold = new Hold(member, release);
      try {
        yield* responses(member, hold);
      } finally {
        hold.end();
      }
    },
  };
}

/** True for a caller with a reserved share, so that other callers cannot keep the owner from a backup. */
function isOwner({ callers }: Member, context: CallContext): boolean {
  return context.caller?.username === ROOT || callers.keyOf(context) === undefined;
}

async function* responses(member: Member, hold: Hold): ReturnType<MaintenanceService["snapshot"]> {
  const state = snapshotStateOf(member);
  const writer = new BoltWriter(snapshotSources(state));
  for (let step = 1; writer.measure(); step++) {
    if (step % MEASURED_PER_TURN === 0) await pause(member);
    hold.check();
  }
  const { clusterVersion: version } = state;
  const hash = new Sha256();
  let remainingBytes = writer.sizeBytes;
  for (const blob of blobs(writer.pages())) {
    hash.update(blob);
    remainingBytes -= blob.length;
    yield snapshotResponse({ remainingBytes, blob, version });
    hold.taken(blob.length);
  }
  yield snapshotResponse({ blob: hash.digest(), version });
}

/** Prevents the removal of rows until `end`, or until the reader has taken nothing for STALLED_MS. */
class Hold {
  readonly #member: Member;
  readonly #keys: unknown;
  readonly #release: () => void;
  readonly #sinceMs: number;
  #takenMs: number;
  #bytes: number = 0;
  #cancelTimer: () => void;
  #ended: boolean = false;

  constructor(member: Member, ended: () => void) {
    this.#member = member;
    this.#keys = member.machine.store.keys;
    const release = member.holdRows();
    this.#release = () => {
      release();
      ended();
    };
    this.#sinceMs = member.clock.nowMs();
    this.#takenMs = this.#sinceMs;
    this.#cancelTimer = this.#watch();
  }

  /** Records that the reader has taken this many bytes. Throws if the state is gone, or the reader is too slow. */
  taken(bytes: number): void {
    this.#bytes += bytes;
    this.check();
    const forMs = this.#takenMs - this.#sinceMs;
    if (forMs > HURRY_AFTER_MS && this.#bytes < (forMs / 1_000) * BYTES_PER_SECOND_MIN) throw errTimeout;
  }

  check(): void {
    checkServing(this.#member, true);
    if (this.#ended) throw errTimeout;
    // A snapshot from the leader has replaced the tables.
    if (this.#member.machine.store.keys !== this.#keys) throw errStopped;
    this.#takenMs = this.#member.clock.nowMs();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    this.#release();
  }

  #watch(): () => void {
    const { clock } = this.#member;
    const untilMs = this.#takenMs + STALLED_MS;
    return clock.setTimer(Math.max(untilMs - clock.nowMs(), 0), () => {
      if (clock.nowMs() - this.#takenMs >= STALLED_MS) this.end();
      else this.#cancelTimer = this.#watch();
    });
  }
}

export function snapshotStateOf(member: Member): SnapshotState {
  const { machine } = member;
  const { membership, store, clusterVersion } = machine;
  return {
    tables: machine.tables,
    revision: store.revision,
    applied: member.applied,
    appliedTerm: member.basicStatus().term,
    members: membership.members,
    removed: membership.removed,
    confState: membership.confState,
    clusterVersion: clusterVersion.version,
    downgradeTarget: clusterVersion.downgradeTarget,
  };
}

/** Splits pages into blobs of one size, as etcd sends them; the last one may be shorter. */
function* blobs(pages: Iterable<Uint8Array>): Generator<Uint8Array, void, void> {
  let blob = new Uint8Array(BLOB_BYTES);
  let filled = 0;
  for (const page of pages) {
    for (let at = 0; at < page.length;) {
      const part = page.subarray(at, at + BLOB_BYTES - filled);
      blob.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < BLOB_BYTES) continue;
      yield blob;
      blob = new Uint8Array(BLOB_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield blob.subarray(0, filled);
}

function pause(member: Member): Promise<void> {
  return new Promise((resolve) => {
    member.clock.setTimer(0, resolve);
  });
}
