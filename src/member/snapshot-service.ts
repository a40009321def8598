/**
 * A member's data as a stream: a file of etcd's format, and the SHA-256 of it. All of it is of one revision, while the
 * member goes on writing; all that it holds in memory is what is on its way.
 *
 * Rows must not be removed meanwhile, so compaction waits; a reader that takes nothing for a while is given up.
 */
import { Sha256 } from "../base/sha256.ts";
import { BoltWriter } from "../protocol/bolt-writer.ts";
import { errRequestTooManyRequests, errStopped, errTimeout } from "../protocol/errors.ts";
import { snapshotResponse } from "../protocol/maintenance.ts";
import type { Member } from "./member.ts";
import { checkLeader, checkServing } from "./requests.ts";
import type { MaintenanceService } from "./services.ts";
import { snapshotSources } from "./snapshot-file.ts";
import type { SnapshotState } from "./snapshot-file.ts";

const BLOB_BYTES = 32 * 1024;
/** At the same time; each goes over all of the data. */
const READERS_MAX = 4;
const STALLED_MS = 60_000;
/** Leaves gone over before others have their turn. */
const MEASURED_PER_TURN = 4;

export function snapshotService(member: Member): Pick<MaintenanceService, "snapshot"> {
  let readers = 0;
  return {
    async *snapshot(_request, context) {
      checkLeader(member, context);
      if (readers >= READERS_MAX) throw errRequestTooManyRequests;
      readers += 1;
      const hold = new Hold(member, () => {
        readers -= 1;
      });
      try {
        yield* responses(member, hold);
      } finally {
        hold.end();
      }
    },
  };
}

async function* responses(member: Member, hold: Hold): ReturnType<MaintenanceService["snapshot"]> {
  const state = stateOf(member);
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
    hold.check();
  }
  yield snapshotResponse({ blob: hash.digest(), version });
}

/** Nothing of the state may be removed, until `end` or until the reader has taken nothing for long. */
class Hold {
  readonly #member: Member;
  readonly #keys: unknown;
  readonly #letGo: () => void;
  #takenMs: number;
  #cancelTimer: () => void;
  #ended: boolean = false;

  constructor(member: Member, ended: () => void) {
    this.#member = member;
    this.#keys = member.machine.store.keys;
    const release = member.holdRows();
    this.#letGo = () => {
      release();
      ended();
    };
    this.#takenMs = member.clock.nowMs();
    this.#cancelTimer = this.#watch();
  }

  /** The reader has taken what it got. Throws when the state is not there any more. */
  check(): void {
    checkServing(this.#member);
    if (this.#ended) throw errTimeout;
    // A snapshot from the leader took the place of the tables.
    if (this.#member.machine.store.keys !== this.#keys) throw errStopped;
    this.#takenMs = this.#member.clock.nowMs();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    this.#letGo();
  }

  #watch(): () => void {
    return this.#member.clock.setTimer(STALLED_MS, () => {
      if (this.#member.clock.nowMs() - this.#takenMs >= STALLED_MS) this.end();
      else this.#cancelTimer = this.#watch();
    });
  }
}

function stateOf(member: Member): SnapshotState {
  const { machine } = member;
  const { membership, store, clusterVersion } = machine;
  return {
    tables: machine.tables,
    revision: store.revision,
    applied: member.applied,
    appliedTerm: member.brief().term,
    members: membership.members,
    removed: membership.removed,
    confState: membership.confState,
    clusterVersion: clusterVersion.version,
    downgradeTarget: clusterVersion.downgradeTarget,
  };
}

/** In pieces of one size, as etcd sends them; the last one may be shorter. */
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
