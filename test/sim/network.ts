/**
 * The simulated network: frames are lost, late, duplicated, cut off, or lost in one direction without a notification.
 */
import type { Prng } from "../../src/base/prng.ts";
import type { PeerProof } from "../../src/transport/greeting/handshake.ts";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import type { Delivery } from "../../src/transport/memory.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Faults } from "./faults.ts";

export interface NetworkHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly faults: Faults;
  /** The id of a stranger, which is not a member. */
  readonly stranger: bigint;
  /** What the peer proves to `to`, if nobody forges it. */
  readonly proofOf: (peer: bigint, to: bigint) => PeerProof | undefined;
  /** Observes each frame that is sent, whatever becomes of it. */
  readonly observe: (frame: Uint8Array) => void;
  /** Delivers at the machine, once it is awake. */
  readonly arrive: (at: bigint, deliver: () => void) => void;
}

export class SimNetwork {
  readonly transport: MemoryNetwork;
  readonly #host: NetworkHost;
  readonly #cut: Set<string> = new Set();
  readonly #deaf: Set<string> = new Set();
  /** Pairs whose server is down. */
  readonly #unrelayed: Set<string> = new Set();
  #isMended = false;
  #isForging = false;
  #forgersKey: Uint8Array | undefined;

  constructor(host: NetworkHost) {
    this.#host = host;
    this.transport = new MemoryNetwork({
      schedule: (delivery) => this.#carry(delivery),
      isAuthenticated: (peer, to) => {
        const proof = this.#proofOf(peer, to);
        return proof !== undefined && (proof.knowsSecret === true || proof.isHost);
      },
      proofOf: (peer, to) => this.#proofOf(peer, to),
    });
  }

  #proofOf(peer: bigint, to: bigint): PeerProof | undefined {
    const proof = this.#host.proofOf(peer, to);
    return proof && { ...proof, key: this.#forgersKey ?? proof.key };
  }

  /**
   * Delivers at once, whatever is cut or slow. It draws nothing from the generator that decides about other frames. `key`:
   * what the sender has proved, instead of the key of the machine with its id.
   */
  forge(from: bigint, to: bigint, frame: Uint8Array, key?: Uint8Array): void {
    this.#isForging = true;
    this.#forgersKey = key;
    this.transport.post(from, to, frame);
    this.#isForging = false;
    this.#forgersKey = undefined;
  }

  /** Cuts the cluster in two, or single connections, for a while. Returns a description of the cut. */
  partition(ids: readonly bigint[]): string {
    const { prng } = this.#host;
    const side = new Map(ids.map((id) => [id, prng.bool(0.4)]));
    const single = prng.bool(0.3);
    const names: string[] = [];
    for (const left of ids) {
      for (const right of ids) {
        if (left >= right) continue;
        const name = `${left}-${right}`;
        const apart = single ? prng.bool(0.3) : side.get(left) !== side.get(right);
        if (!apart || this.#cut.has(name)) continue;
        names.push(name);
        this.#cut.add(name);
        this.transport.setLink(left, right, false);
      }
    }
    this.#host.queue.after(prng.int(500, 8_000), () => this.#mendCables(names));
    return names.join(" ");
  }

  /** For a while a member's frames are lost, or those to it. */
  deafen(ids: readonly bigint[]): string {
    const { prng, queue } = this.#host;
    const one = prng.pick(ids);
    const hears = prng.bool(0.5);
    const pairs = ids
      .filter((other) => other !== one && prng.bool(0.7))
      .map((other) => (hears ? `${one}>${other}` : `${other}>${one}`));
    for (const pair of pairs) this.#deaf.add(pair);
    queue.after(prng.int(500, 8_000), () => {
      for (const pair of pairs) this.#deaf.delete(pair);
    });
    return pairs.join(" ");
  }

  /** Whether the server is up that relays between the pairs that have no other way. */
  relay(pairs: readonly (readonly [bigint, bigint])[], isUp: boolean): void {
    this.#unrelayed.clear();
    for (const [left, right] of pairs) {
      const name = `${left}-${right}`;
      if (!isUp) this.#unrelayed.add(name);
      this.transport.setLink(left, right, isUp && !this.#cut.has(name));
    }
  }

  /** From now on everything arrives, soon and once. */
  mend(): void {
    this.#isMended = true;
    this.#mendCables([...this.#cut]);
    this.#deaf.clear();
  }

  #mendCables(names: readonly string[]): void {
    for (const name of names) {
      if (!this.#cut.delete(name)) continue;
      const [left, right] = name.split("-").map(BigInt) as [bigint, bigint];
      this.transport.setLink(left, right, !this.#unrelayed.has(name));
    }
  }

  #carry(delivery: Delivery): void {
    const { queue, prng, faults, arrive } = this.#host;
    const deliver = (): void => arrive(delivery.to, delivery.deliver);
    if (delivery.type !== "frame") {
      // All with the same delay, so that they keep their order.
      queue.after(faults.delayMs, deliver);
      return;
    }
    if (this.#isForging) return deliver();
    if (delivery.to === this.#host.stranger) return;
    this.#host.observe(delivery.frame);
    if (this.#isMended) {
      queue.after(1 + prng.next() * 5, deliver);
      return;
    }
    if (prng.bool(faults.lossProbability)) return;
    if (this.#deaf.size > 0 && this.#deaf.has(`${delivery.from}>${delivery.to}`)) return;
    const slow = faults.slowProbability > 0 && prng.bool(faults.slowProbability);
    queue.after(prng.next() * (slow ? faults.slowMs : faults.delayMs), deliver);
    if (faults.duplicateProbability > 0 && prng.bool(faults.duplicateProbability)) {
      queue.after(prng.next() * faults.delayMs * 3, deliver);
    }
  }
}
