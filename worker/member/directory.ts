/**
 * Maps member ids to numbers. Numbers are assigned in sequence, to the initial members and to added ones, and never
 * reused. The id is derived from the number. So no communication is needed, only a count.
 */
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { memberIdOf } from "../common/identity.ts";

/** Maximum number of members that this one does not know yet. */
const AHEAD = 256;

export class Directory {
  readonly #clusterName: string;
  readonly #numbers: Map<MemberId, number> = new Map();
  #counted = 0;
  #known = 0;

  constructor(clusterName: string, founders: number) {
    this.#clusterName = clusterName;
    this.setEverCount(founders);
  }

  /** Sets the number of members that there ever were. */
  setEverCount(everCount: number): void {
    this.#known = Math.max(this.#known, everCount);
    while (this.#counted < this.#known) this.#count();
  }

  /** Returns undefined for an id that is not of this cluster. */
  numberOf(id: MemberId): number | undefined {
    while (!this.#numbers.has(id) && this.#counted < this.#known + AHEAD) this.#count();
    return this.#numbers.get(id);
  }

  #count(): void {
    this.#counted += 1;
    this.#numbers.set(memberIdOf(this.#clusterName, this.#counted), this.#counted);
  }
}
