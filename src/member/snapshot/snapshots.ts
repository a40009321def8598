/**
 * A member's part in snapshots, both ways: streams its state to the members that Raft names, and stages what it
 * receives until Raft accepts it and storage has switched to it.
 */
import { assert } from "../../base/assert.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import type { FrameBody, SnapshotChunk } from "../../protocol/peer/frame-schema.ts";
import type { MemberId, SnapshotMessage, SnapshotMeta } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { LogBatch, Storage } from "../../storage/storage.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import type { StagedSnapshot } from "./snapshot-receiver.ts";
import { SnapshotSender } from "./snapshot-sender.ts";

const SENDER = { windowChunks: 8, resendTicks: 20, giveUpTicks: 600 };

export interface SnapshotsHost {
  readonly raft: () => Raft;
  readonly storage: Storage;
  readonly chunkBytes: number;
  /** Random, so that a receiver never joins chunks of two runs of this member to one transfer. */
  readonly firstTransfer: number;
  readonly send: (to: MemberId, body: FrameBody) => void;
  /** Called when a transfer has ended: rows and log entries need not be kept for it. */
  readonly onTransferEnd: () => void;
  /** Called when a peer sent damaged data. */
  readonly onRejected: () => void;
}

export class Snapshots {
  readonly #host: SnapshotsHost;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  /** Staged completely, and offered to Raft in this run. */
  #offered: StagedSnapshot | undefined;
  /** True from the acceptance by Raft until storage has written it. */
  #installing = false;
  /** Number of clients that are reading the state. */
  #readers = 0;
  #sent = 0;

  constructor(host: SnapshotsHost) {
    this.#host = host;
    const options = { ...SENDER, chunkBytes: host.chunkBytes };
    this.#sender = new SnapshotSender(options, (to, chunk) => host.send(to, { type: "snapshot-chunk", ...chunk }));
    this.#receiver = new SnapshotReceiver(host.storage);
  }

  /**
   * True while rows must not be removed: an open stream has yet to send them, or the tables are about to be replaced.
   */
  get holdsRows(): boolean {
    return this.#sender.active || this.#installing || this.#readers > 0;
  }

  /** Holds the rows for a client that reads the current state. The returned function releases them, once. */
  hold(): () => void {
    this.#readers += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#readers -= 1;
      this.#host.onTransferEnd();
    };
  }

  /** Number of transfers started. */
  get sent(): number {
    return this.#sent;
  }

  get installing(): boolean {
    return this.#installing;
  }

  /** The lowest index that a receiver will need after its snapshot. */
  get keepFrom(): number {
    return this.#sender.keepFrom;
  }

  /** Starts a transfer of the current state, as announced by Raft. */
  send(message: SnapshotMessage, appliedIndex: number, revision: number): void {
    assert(message.snapshot.index === appliedIndex, "a snapshot is of what is applied now");
    this.#sent += 1;
    this.#sender.start(this.#host.firstTransfer + this.#sent, message, this.#host.storage.tables, revision);
  }

  takeChunk(from: MemberId, self: MemberId, chunk: SnapshotChunk): void {
    if (chunk.message.from !== from || chunk.message.to !== self) return;
    // Only one install at a time; the sender repeats its request.
    if (this.#installing || this.#offered !== undefined) return;
    try {
      const { nextSeq, complete } = this.#receiver.take(from, chunk);
      this.#host.send(from, { type: "snapshot-ack", transferId: chunk.transferId, nextSeq });
      if (complete === undefined) return;
      this.#offered = complete;
      this.#host.raft().step(complete.message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#host.onRejected();
    }
  }

  takeAcknowledgement(from: MemberId, transferId: number, nextSeq: number): void {
    const progress = this.#sender.acknowledged(from, transferId, nextSeq);
    if (progress !== "complete" && progress !== "lost") return;
    this.#host.raft().reportSnapshot(from, progress === "complete");
    this.#host.onTransferEnd();
  }

  /**
   * Aborts transfers to all but these members. A removed member accepts no more snapshots, and no member accepts one
   * from a member that does not lead.
   */
  sendOnlyTo(members: readonly MemberId[]): void {
    if (this.#sender.cancelExcept((to) => members.includes(to))) this.#host.onTransferEnd();
  }

  peerUp(peer: MemberId): void {
    this.#sender.peerUp(peer);
  }

  tick(): void {
    for (const peer of this.#sender.tick()) {
      this.#host.raft().reportSnapshot(peer, false);
      this.#host.onTransferEnd();
    }
  }

  /** Called when Raft has accepted the snapshot. Returns what storage is to switch to. */
  install(snapshot: SnapshotMeta): NonNullable<LogBatch["install"]> {
    const offered = this.#offered;
    assert(offered?.message.snapshot.index === snapshot.index, "a snapshot was staged before Raft took it");
    this.#offered = undefined;
    this.#installing = true;
    // This member no longer leads the receivers of its own state, and that state's tables are replaced.
    this.#sender.cancelAll();
    return { snapshot, staged: offered.staged };
  }

  installed(): void {
    this.#installing = false;
  }

  /** Called at the end of a run. Drops staged data that Raft did not accept, because appends had overtaken it. */
  dropRefused(): void {
    this.#offered?.staged.abort();
    this.#offered = undefined;
  }

  stop(): void {
    this.#sender.cancelAll();
    this.#receiver.abort();
  }
}
