/**
 * A stranger that knows everything but is not a member. It sends members forged frames of every kind: in its own name,
 * in the name of other members, of removed members and of another cluster. It prefers members that hear no leader. Its
 * frames arrive whatever the network does to others. None of them may have an effect.
 */
import { Prng } from "../../src/base/prng.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/node/member.ts";
import { encodeFrame } from "../../src/protocol/peer/frame.ts";
import { rangeRequest } from "../../src/protocol/api/kv.ts";
import { FORGED_ID, FORGED_KEY, forgedFrames, FORGED_TERMS_AHEAD } from "./forged-frames.ts";
import type { EventQueue } from "./event-queue.ts";
import type { SimNetwork } from "./network.ts";
import type { Machine } from "./sim-member.ts";
import { CLUSTER_ID } from "./sim-member.ts";
import { Violation } from "./state-checker.ts";

export const STRANGER = 1_000_666n;
const EVERY_MS = 400;
const FRAMES_PER_ATTACK = 6;

/** What the attacker uses. */
export interface AttackedWorld {
  readonly network: SimNetwork;
  readonly queue: EventQueue;
  readonly machines: ReadonlyMap<bigint, Machine>;
}

export class Attacker {
  readonly #world: AttackedWorld;
  /** Its own generator, so that a seed does the same to the other members with the attacker and without. */
  readonly #prng: Prng;

  constructor(world: AttackedWorld, seed: number) {
    this.#world = world;
    this.#prng = new Prng(seed + 2);
  }

  start(): void {
    const { network, queue } = this.#world;
    const station = network.transport.transportFor(STRANGER);
    station.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    const attack = (): void => {
      station.setPeers([...this.#world.machines.keys()]);
      this.#attack();
      // To the end: after the faults it is still active.
      queue.after(EVERY_MS * (0.5 + this.#prng.next()), attack);
    };
    attack();
  }

  /** The state that is compared again and again. */
  check(member: Member): void {
    const { id, machine } = member;
    const { membership } = machine;
    const { term } = member.basicStatus();
    if (term >= FORGED_TERMS_AHEAD) throw new Violation(`stranger: member ${id} is in term ${term}`);
    const evil = [STRANGER, FORGED_ID].find((one) => membership.has(one) || membership.wasRemoved(one));
    if (evil !== undefined) throw new Violation(`stranger: member ${id} knows ${evil}`);
  }

  checkEnd(member: Member): void {
    const { kvs } = member.machine.store.range(rangeRequest({ key: utf8Encode(FORGED_KEY) }));
    if (kvs.length > 0) throw new Violation(`stranger: member ${member.id} has the stranger's key`);
  }

  #attack(): void {
    const victim = this.#victim();
    const member = victim?.running;
    if (victim === undefined || member === undefined) return;
    const { term, lastIndex, confState } = member.status();
    const lastTerm = member.logTerm(lastIndex) ?? 0;
    const target = { id: member.id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm, confState };
    const { carrierId, frameId, clusterId } = this.#name(victim);
    const forged = forgedFrames(frameId, target);
    for (let count = 0; count < FRAMES_PER_ATTACK; count++) {
      const frame = encodeFrame({ clusterId, from: frameId, to: member.id }, this.#prng.pick(forged).body);
      this.#world.network.forge(carrierId, member.id, frame);
    }
  }

  /** Members that hear no leader are chosen more often. */
  #victim(): Machine | undefined {
    const up = [...this.#world.machines.values()].filter(({ running }) => running !== undefined);
    const alone = up.filter(({ member }) => member?.leader === 0n);
    const chosen = alone.length > 0 && this.#prng.bool(0.7) ? alone : up;
    return chosen.length > 0 ? this.#prng.pick(chosen) : undefined;
  }

  /** The sender according to the transport, and the sender according to the frame. */
  #name(victim: Machine): { readonly carrierId: bigint; readonly frameId: bigint; readonly clusterId: bigint } {
    const ids = [...this.#world.machines.keys()];
    const removed = ids.filter((id) => this.#isGone(id, victim));
    const kind = this.#prng.int(0, 9);
    if (kind === 0) return { carrierId: STRANGER, frameId: this.#prng.pick(ids), clusterId: CLUSTER_ID };
    if (kind === 1) return { carrierId: STRANGER, frameId: STRANGER, clusterId: CLUSTER_ID + 1n };
    if (kind === 2 && removed.length > 0) {
      const former = this.#prng.pick(removed);
      return { carrierId: former, frameId: former, clusterId: CLUSTER_ID };
    }
    return { carrierId: STRANGER, frameId: STRANGER, clusterId: CLUSTER_ID };
  }

  /** A removed member that leads no member: the leader that a member follows may be a removed one. */
  #isGone(id: bigint, { member }: Machine): boolean {
    if (member?.machine.membership.wasRemoved(id) !== true || member.basicStatus().leader === id) return false;
    return this.#world.machines.get(id)?.running === undefined;
  }
}
