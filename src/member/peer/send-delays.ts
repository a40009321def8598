/** What a leader's messages wait for before they are sent: commit-delay.ts, quorum-first.ts, learner-batches.ts. */
import type { MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Ready } from "../../raft/ready.ts";
import { CommitDelay } from "./commit-delay.ts";
import { LearnerBatches } from "./learner-batches.ts";
import { QuorumFirst, type QuorumFirstHost } from "./quorum-first.ts";

export interface SendDelaysHost extends Omit<QuorumFirstHost, "delayMs" | "isAsking"> {
  readonly commitDelayMs: number;
  readonly spareDelayMs: number;
  readonly learnerDelayMs: number;
}

const NOTHING_ANSWERED = { committed: [], hasReads: false };

export class SendDelays {
  readonly #commitDelay: CommitDelay;
  readonly #quorumFirst: QuorumFirst;
  readonly #learnerBatches: LearnerBatches;

  constructor(host: SendDelaysHost) {
    this.#learnerBatches = new LearnerBatches({ ...host, delayMs: host.learnerDelayMs });
    this.#quorumFirst = new QuorumFirst({
      ...host,
      delayMs: host.spareDelayMs,
      isAsking: (follower) => this.#commitDelay.hasRecentRequest(follower),
    });
    this.#commitDelay = new CommitDelay(host.commitDelayMs, host.clock, (messages) =>
      host.send(this.#learnerBatches.holdBack(this.#quorumFirst.holdBack(messages, NOTHING_ANSWERED), [])),
    );
  }

  /** Records that `by` has forwarded a request of its clients. */
  recordRequest(by: MemberId): void {
    this.#commitDelay.recordRequest(by);
    this.#learnerBatches.recordRequest(by);
  }

  /** Returns the messages of a Ready that are sent now. */
  holdBack({ messages, committed, readStates, softState }: Ready): readonly RaftMessage[] {
    if (softState !== undefined) this.#reset();
    const hasReads = readStates.length > 0 || messages.some(({ type }) => type === "read-index-response");
    const first = this.#quorumFirst.holdBack(this.#commitDelay.holdBack(messages, committed), { committed, hasReads });
    return this.#learnerBatches.holdBack(first, committed);
  }

  stop(): void {
    this.#commitDelay.stop();
    this.#reset();
  }

  #reset(): void {
    this.#quorumFirst.reset();
    this.#learnerBatches.reset();
  }
}
