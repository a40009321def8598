/**
 * Which number belongs to which member id. Numbers are given one after the other, to founders and to members that are
 * added, and never twice; the id follows from the number. So nobody needs to be asked, only counted.
 */
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { memberIdOf } from "../common/identity.ts";

/** Members that this one has not heard of yet may be so many. */
const AHEAD = 256;

export class Directory {
  readonly #clusterName: string;
  readonly #numbers: Map<MemberId, number> = new Map();
  #counted = 0;
  #known = 0;

  constructor(clusterName: string, founders: number) {
    this.#clusterName = clusterName;
    this.knows(founders);
  }

  /** There were so many members up to now. */
  knows(everCount: number): void {
    this.#known = Math.max(this.#known, everCount);
    while (this.#counted < this.#known) this.#count();
  }

  /** Undefined for an id that is none of this cluster's. */
  numberOf(id: MemberId): number | undefined {
    while (!this.#numbers.has(id) && this.#counted < this.#known + AHEAD) this.#count();
    return this.#numbers.get(id);
  }

  #count(): void {
    this.#counted += 1;
    this.#numbers.set(memberIdOf(this.#clusterName, this.#counted), this.#counted);
  }
}
