/**
 * Whom this leader is connected with. Counted in ticks while it leads, as all silence is: what passed while it was
 * frozen or quiet says nothing about the others.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Connection } from "./change-rules.ts";

/** etcd's health interval. */
const HEALTHY_MS = 5_000;

export class Connections {
  readonly #silentTicks: number;
  readonly #healthyTicks: number;
  readonly #heard: Map<MemberId, number> = new Map();
  readonly #back: Map<MemberId, number> = new Map();
  #ticks = 0;
  #sinceTicks = 0;

  /** Silent for longer than `silentTicks` is away. */
  constructor(silentTicks: number, tickMs: number) {
    this.#silentTicks = silentTicks;
    this.#healthyTicks = Math.ceil(HEALTHY_MS / tickMs);
  }

  /** Leadership begins: what a follower heard of other followers says nothing. */
  begin(): void {
    this.#heard.clear();
    this.#back.clear();
    this.#sinceTicks = this.#ticks;
  }

  tick(): void {
    this.#ticks += 1;
  }

  recordContact(from: MemberId): void {
    const last = this.#heard.get(from) ?? this.#sinceTicks;
    if (this.#ticks - last > this.#silentTicks) this.#back.set(from, this.#ticks);
    this.#heard.set(from, this.#ticks);
  }

  /** A newcomer is awaited like everybody else when leadership begins; `back` is etcd's young connection. */
  of(member: MemberId): Connection {
    const last = this.#heard.get(member);
    if (last === undefined) return this.#ticks - this.#sinceTicks <= this.#silentTicks ? "unknown" : "down";
    if (this.#ticks - last > this.#silentTicks) return "down";
    const back = this.#back.get(member);
    return back !== undefined && this.#ticks - back < this.#healthyTicks ? "back" : "up";
  }
}
