/**
 * Tracks which members this leader is connected with. Counts ticks while it leads: time during which this member was
 * frozen or quiesced says nothing about the others.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Connection } from "./change-rules.ts";

/** etcd's health interval. */
const HEALTHY_MS = 5_000;

export class Connections {
  readonly #silentTicks: number;
  readonly #healthyTicks: number;
  readonly #lastContact: Map<MemberId, number> = new Map();
  readonly #back: Map<MemberId, number> = new Map();
  #ticks = 0;
  #sinceTicks = 0;

  /** A member without contact for more than `silentTicks` is down. */
  constructor(silentTicks: number, tickMs: number) {
    this.#silentTicks = silentTicks;
    this.#healthyTicks = Math.ceil(HEALTHY_MS / tickMs);
  }

  /** Call when leadership begins. Contact that this member had as a follower says nothing about other followers. */
  begin(): void {
    this.#lastContact.clear();
    this.#back.clear();
    this.#sinceTicks = this.#ticks;
  }

  tick(): void {
    this.#ticks += 1;
  }

  recordContact(from: MemberId): void {
    const last = this.#lastContact.get(from) ?? this.#sinceTicks;
    if (this.#ticks - last > this.#silentTicks) this.#back.set(from, this.#ticks);
    this.#lastContact.set(from, this.#ticks);
  }

  /**
   * Returns the connection to a member. A new member gets the same grace period as all others when leadership begins.
   * "back" corresponds to etcd's young connection.
   */
  of(member: MemberId): Connection {
    const last = this.#lastContact.get(member);
    if (last === undefined) return this.#ticks - this.#sinceTicks <= this.#silentTicks ? "unknown" : "down";
    if (this.#ticks - last > this.#silentTicks) return "down";
    const back = this.#back.get(member);
    return back !== undefined && this.#ticks - back < this.#healthyTicks ? "back" : "up";
  }
}
