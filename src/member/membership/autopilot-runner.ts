/**
 * Runs the autopilot on the leader of a room: gives it what the leader sees, and proposes the step that it returns. Which
 * rules hold depends on the shape of the cluster in the log: those of a room of tabs (autopilot.ts), or those of one whose
 * cluster has objects (mixed-autopilot.ts). An object that the shape names and that is no member yet is added as a learner.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { ConfChangeSingle, ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { ProgressStatus, RaftStatus } from "../../raft/ready.ts";
import type { AutopilotOptions } from "../options.ts";
import { autopilotStep, removalStep } from "./autopilot.ts";
import type { Membership } from "./membership.ts";
import { isLeftToTabs, PRESENT_MS, votesStep } from "./mixed-autopilot.ts";
import type { MixedMember, MixedOptions, MixedView, VotesStep } from "./mixed-autopilot.ts";

/** Entries that a learner may be behind and still count as caught up. It gets them while its promotion is in flight. */
const CAUGHT_UP_ENTRIES = 10;
const CHANGES = { promote: "add-node", demote: "add-learner", remove: "remove-node" } as const;
/** It runs every few ticks. After a longer gap another member has led meanwhile. */
const LEADING_GAP_TICKS = 10;
/** A member that has come responds, and catches up, in this time. */
const AWAKE_TICKS = 20;
/** Where the log says who votes, no member needs an option. */
const MIXED_DEFAULTS: MixedOptions = { votersMax: 5, goneAfterMs: 10_000 };

export interface AutopilotHost {
  readonly id: MemberId;
  readonly options: AutopilotOptions | undefined;
  readonly tickMs: number;
  readonly learnersMax: number;
  readonly membership: () => Membership;
  readonly peers: () => {
    readonly ticks: number;
    sinceContactMs(member: MemberId): number;
    hasLeft(member: MemberId): boolean;
    isUp(member: MemberId): boolean;
  };
  readonly change: (type: ConfChangeType, id: MemberId, context: Uint8Array) => void;
  readonly changeVotes: (changes: readonly ConfChangeSingle[]) => void;
  readonly transferLeader: (to: MemberId) => void;
}

export class AutopilotRunner {
  readonly #host: AutopilotHost;
  /** While leading: the tick at which leadership began, and the last tick at which it was seen. */
  #leadingSinceTicks = 0;
  #ledAtTicks = -Infinity;
  #isWaiting = false;
  #awakeUntilTicks = 0;

  constructor(host: AutopilotHost) {
    this.#host = host;
  }

  /** Votes may change soon: the leader's clock must go on until then. */
  get isWaiting(): boolean {
    if (this.#host.peers().ticks < this.#awakeUntilTicks) return true;
    return this.#isWaiting && this.#host.peers().ticks - this.#ledAtTicks <= LEADING_GAP_TICKS;
  }

  /** This member is an object of a cluster in which tabs vote, and pays for its clock. */
  get isObject(): boolean {
    const { shape, objects } = this.#host.membership().shape;
    return shape !== "edge" && objects.includes(this.#host.id);
  }

  /** Whether it matters to who votes that this peer comes or goes. */
  watches(peer: MemberId): boolean {
    const membership = this.#host.membership();
    const { shape, objects } = membership.shape;
    if (shape === "none" || !membership.has(peer)) return false;
    return shape !== "edge" || membership.confState.voters.some((id) => !objects.includes(id));
  }

  /** Of a leader that was woken: it has not looked yet, and whoever has come has not responded yet. */
  stayAwake(): void {
    this.#awakeUntilTicks = this.#host.peers().ticks + AWAKE_TICKS;
  }

  run(status: RaftStatus): void {
    const { options, tickMs } = this.#host;
    const { ticks } = this.#host.peers();
    if (ticks - this.#ledAtTicks > LEADING_GAP_TICKS) this.#leadingSinceTicks = ticks;
    this.#ledAtTicks = ticks;
    const leadingMs = (ticks - this.#leadingSinceTicks) * tickMs;
    this.#isWaiting = false;
    if (this.#host.membership().shape.shape !== "none") this.#keepVotes(status, leadingMs);
    else if (options !== undefined) this.#keepTabs(status, leadingMs, options);
  }

  #keepTabs(status: RaftStatus, leadingMs: number, options: AutopilotOptions): void {
    const { id: leader, learnersMax, change } = this.#host;
    const members = this.#tabsOf(status);
    const step = autopilotStep({ members, leader, leadingMs, learnersMax }, options);
    if (step !== undefined) change(CHANGES[step.type], step.id, EMPTY_BYTES);
  }

  #keepVotes(status: RaftStatus, leadingMs: number): void {
    const { options, membership, change } = this.#host;
    const { votersMax, goneAfterMs } = options ?? MIXED_DEFAULTS;
    const mixed = { votersMax, goneAfterMs: options?.replaceAfterMs ?? goneAfterMs };
    const missing = this.#missingObject();
    if (missing !== undefined) return change("add-learner", missing, EMPTY_BYTES);
    const view = this.#viewOf(status, leadingMs);
    if (isLeftToTabs(view, (object) => membership().get(object)?.name !== "")) {
      if (options !== undefined) this.#keepTabs(status, leadingMs, options);
      return;
    }
    const step = votesStep(view, mixed);
    if (step !== undefined) return this.#host.changeVotes(changesOf(step));
    const successor = this.#tabThatShallLead(view, status);
    if (successor !== undefined) {
      this.#isWaiting = true;
      return this.#host.transferLeader(successor);
    }
    this.#isWaiting = votesStep(this.#withoutSilent(view), { ...mixed, goneAfterMs: PRESENT_MS }) !== undefined;
    if (options !== undefined) this.#removeTab(status, leadingMs, options);
  }

  /** It is to vote, and the log has only its id. */
  #missingObject(): MemberId | undefined {
    const membership = this.#host.membership();
    const { shape, objects } = membership.shape;
    if (shape === "tabs") return undefined;
    return objects.find((id) => !membership.has(id) && !membership.wasRemoved(id));
  }

  /** Of an object that leads where tabs are to vote alone. */
  #tabThatShallLead({ shape, members, leader }: MixedView, { progress }: RaftStatus): MemberId | undefined {
    if (shape !== "tabs" || !members.some(({ id, isObject }) => id === leader && isObject)) return undefined;
    const matchOf = ({ id }: MixedMember): number => progress.get(id)?.match ?? 0;
    const tabs = members.filter(
      ({ isVoter, isObject, hasLeft, sinceContactMs }) =>
        isVoter && !isObject && !hasLeft && sinceContactMs < PRESENT_MS,
    );
    return tabs.toSorted((left, right) => matchOf(right) - matchOf(left))[0]?.id;
  }

  /** As it will be if those that are silent, or have lost their connection, stay away. */
  #withoutSilent(view: MixedView): MixedView {
    const members = view.members.map((member) => (member.isUp ? member : { ...member, sinceContactMs: Infinity }));
    return { ...view, members, leadingMs: Infinity };
  }

  #removeTab(status: RaftStatus, leadingMs: number, options: AutopilotOptions): void {
    const { id: leader, learnersMax, change } = this.#host;
    const members = this.#tabsOf(status);
    const step = removalStep({ members, leader, leadingMs, learnersMax }, options);
    if (step !== undefined) change(CHANGES[step.type], step.id, EMPTY_BYTES);
  }

  #tabsOf(status: RaftStatus): readonly Parameters<typeof autopilotStep>[0]["members"][number][] {
    const { objects } = this.#host.membership().shape;
    const tabs = [...status.progress].filter(([id]) => !objects.includes(id));
    return tabs.map(([id, progress]) => ({
      id,
      learner: progress.isLearner,
      mayVote: this.#mayVote(id),
      caughtUp: isCaughtUp(progress, status),
      sinceContactMs: this.#host.peers().sinceContactMs(id),
    }));
  }

  #mayVote(id: MemberId): boolean {
    return this.#host.membership().guest(id)?.role !== "reader";
  }

  #viewOf(status: RaftStatus, leadingMs: number): MixedView {
    const { id: leader, membership } = this.#host;
    const peers = this.#host.peers();
    const { shape, objects } = membership().shape;
    const members = [...status.progress].map(([id, progress]) => ({
      id,
      isVoter: !progress.isLearner,
      mayVote: this.#mayVote(id),
      isObject: objects.includes(id),
      isCaughtUp: isCaughtUp(progress, status),
      hasLeft: peers.hasLeft(id),
      sinceContactMs: peers.sinceContactMs(id),
      isUp: id === leader || peers.isUp(id),
    }));
    return { shape, members, leader, leadingMs };
  }
}

function changesOf({ promote, demote }: VotesStep): readonly ConfChangeSingle[] {
  return [
    ...promote.map((nodeId) => ({ type: "add-node", nodeId }) as const),
    ...demote.map((nodeId) => ({ type: "add-learner", nodeId }) as const),
  ];
}

function isCaughtUp({ match }: ProgressStatus, { lastIndex }: RaftStatus): boolean {
  return match + CAUGHT_UP_ENTRIES >= lastIndex;
}
