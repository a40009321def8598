/**
 * A stranger that knows everything but is not a member. It sends members forged frames of every kind: in its own name,
 * in the name of other members, of removed members and of another cluster. It prefers members that hear no leader. Its
 * frames arrive whatever the network does to others. None of them may have an effect.
 */
import { equalBytes } from "../../src/base/bytes.ts";
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
/** It has the room's secret, and the key of a member that was removed. */
const REMOVED_SELF = 1_000_777n;
const OTHER_KEY = new Uint8Array(32).fill(0xee);
const EVERY_MS = 400;
const FRAMES_PER_ATTACK = 6;

/** The sender according to the transport, and according to the frame; the key that it has proved, instead of its own. */
interface Name {
  readonly carrierId: bigint;
  readonly frameId: bigint;
  readonly clusterId: bigint;
  readonly key?: Uint8Array;
}

const STRANGERS: Name = { carrierId: STRANGER, frameId: STRANGER, clusterId: CLUSTER_ID };

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
    const removedSelf = network.transport.transportFor(REMOVED_SELF);
    removedSelf.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    const attack = (): void => {
      removedSelf.setPeers([...this.#world.machines.keys()]);
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
    const evil = [STRANGER, FORGED_ID, REMOVED_SELF].find((one) => membership.has(one) || membership.wasRemoved(one));
    if (evil !== undefined) throw new Violation(`stranger: member ${id} knows ${evil}`);
    for (const { memberId, key } of membership.keys.members) {
      const own = this.#world.machines.get(memberId)?.key;
      if (own === undefined || !equalBytes(own, key))
        throw new Violation(`stranger: member ${id} has another key for ${memberId}`);
    }
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
    const { carrierId, frameId, clusterId, key } = this.#name(victim);
    const forged = forgedFrames(frameId, target);
    for (let count = 0; count < FRAMES_PER_ATTACK; count++) {
      const frame = encodeFrame({ clusterId, from: frameId, to: member.id }, this.#prng.pick(forged).body);
      this.#world.network.forge(carrierId, member.id, frame, key);
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
  #name(victim: Machine): Name {
    const ids = [...this.#world.machines.keys()];
    const removed = ids.filter((id) => this.#isGone(id, victim));
    const kind = this.#prng.int(0, 9);
    if (kind === 0) return { carrierId: STRANGER, frameId: this.#prng.pick(ids), clusterId: CLUSTER_ID };
    if (kind >= 3 && kind <= 5 && !victim.isFrozen) return this.#nameWithKey(kind, victim) ?? STRANGERS;
    if (kind === 1) return { carrierId: STRANGER, frameId: STRANGER, clusterId: CLUSTER_ID + 1n };
    if (kind === 2 && removed.length > 0) {
      const former = this.#prng.pick(removed);
      return { carrierId: former, frameId: former, clusterId: CLUSTER_ID };
    }
    return STRANGERS;
  }

  /** Somebody with the room's secret: in the place of a member that is away, or with the key of one that was removed. */
  #nameWithKey(kind: number, victim: Machine): Name | undefined {
    const membership = victim.member?.machine.membership;
    const key = membership?.keys.removed[0];
    if (kind === 3 && key !== undefined) return { ...STRANGERS, carrierId: REMOVED_SELF, frameId: REMOVED_SELF, key };
    const bound = membership?.keys.members ?? [];
    const away = bound.find(
      ({ memberId }) => memberId !== victim.id && this.#world.machines.get(memberId)?.isOn === false,
    );
    if (away === undefined) return undefined;
    return { ...STRANGERS, carrierId: away.memberId, frameId: away.memberId, key: OTHER_KEY };
  }

  /** A removed member that leads no member: the leader that a member follows may be a removed one. */
  #isGone(id: bigint, { member }: Machine): boolean {
    if (member?.machine.membership.wasRemoved(id) !== true || member.basicStatus().leader === id) return false;
    return this.#world.machines.get(id)?.running === undefined;
  }
}
