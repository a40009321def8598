/** What a leader's messages wait for before they are sent: commit-delay.ts, then quorum-first.ts. */
import type { MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Ready } from "../../raft/ready.ts";
import { CommitDelay } from "./commit-delay.ts";
import { QuorumFirst, type QuorumFirstHost } from "./quorum-first.ts";

export interface SendDelaysHost extends Omit<QuorumFirstHost, "delayMs" | "isAsking"> {
  readonly commitDelayMs: number;
  readonly spareDelayMs: number;
}

const NOTHING_ANSWERED = { committed: [], hasReads: false };

export class SendDelays {
  readonly #commitDelay: CommitDelay;
  readonly #quorumFirst: QuorumFirst;

  constructor(host: SendDelaysHost) {
    this.#quorumFirst = new QuorumFirst({
      ...host,
      delayMs: host.spareDelayMs,
      isAsking: (follower) => this.#commitDelay.hasRecentRequest(follower),
    });
    this.#commitDelay = new CommitDelay(host.commitDelayMs, host.clock, (messages) =>
      host.send(this.#quorumFirst.holdBack(messages, NOTHING_ANSWERED)),
    );
  }

  /** Records that `by` has forwarded a request of its clients. */
  recordRequest(by: MemberId): void {
    this.#commitDelay.recordRequest(by);
  }

  /** Returns the messages of a Ready that are sent now. */
  holdBack({ messages, committed, readStates, softState }: Ready): readonly RaftMessage[] {
    if (softState !== undefined) this.#quorumFirst.reset();
    const hasReads = readStates.length > 0 || messages.some(({ type }) => type === "read-index-response");
    return this.#quorumFirst.holdBack(this.#commitDelay.holdBack(messages, committed), { committed, hasReads });
  }

  stop(): void {
    this.#commitDelay.stop();
    this.#quorumFirst.reset();
  }
}
