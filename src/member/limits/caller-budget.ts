/**
 * Counts what all callers of a member hold of one resource, and what each of them holds, so that one caller cannot take
 * all of it. Pure counting; callers.ts decides who counts as a caller.
 *
 * A caller that holds nothing takes no memory here. So a great number of addresses cannot fill it.
 */
import { assert } from "../../base/assert.ts";

export interface BudgetLimits {
  /** Limit of all callers together. */
  readonly total: number;
  /** Limit of one caller. */
  readonly perCaller: number;
  /** Part of the total that is reserved for an owner. Default 0. */
  readonly reserved?: number;
}

/** What a caller was granted. It counts until it is released; a second release does nothing. */
export interface Share {
  /** Adds `amount` to the share. Returns false without room for it; the share then stays as it was. */
  grow(this: void, amount: number): boolean;
  /** Returns a part of the share. */
  shrink(this: void, amount: number): void;
  release(this: void): void;
}

export class CallerBudget {
  readonly limits: BudgetLimits;
  /** Number of refused shares and refused enlargements. */
  rejected = 0;
  readonly #held: Map<string, number> = new Map();
  #used = 0;

  constructor(limits: BudgetLimits) {
    this.limits = limits;
  }

  get used(): number {
    return this.#used;
  }

  /** Number of callers that hold a share now. */
  get callers(): number {
    return this.#held.size;
  }

  heldBy(caller: string): number {
    return this.#held.get(caller) ?? 0;
  }

  /**
   * Returns a share; undefined if the caller, or all together, would hold too much. A caller without a name is this
   * program itself: it counts in the total only. An owner may use the reserved part, and the limit of one caller does
   * not apply to it.
   */
  take(caller: string | undefined, amount = 1, isOwner = false): Share | undefined {
    if (!this.#add(caller, amount, isOwner)) return undefined;
    let held = amount;
    let isOver = false;
    return {
      grow: (more) => {
        if (isOver || !this.#add(caller, more, isOwner)) return false;
        held += more;
        return true;
      },
      shrink: (less) => {
        if (isOver) return;
        assert(less <= held, "no more is given back than is held");
        held -= less;
        this.#remove(caller, less);
      },
      release: () => {
        if (isOver) return;
        isOver = true;
        this.#remove(caller, held);
      },
    };
  }

  #add(caller: string | undefined, amount: number, isOwner: boolean): boolean {
    const { total, perCaller, reserved = 0 } = this.limits;
    const held = caller === undefined ? 0 : this.heldBy(caller);
    const isOver = isOwner ? this.#used + amount > total : this.#used + amount > total - reserved;
    if (isOver || (!isOwner && caller !== undefined && held + amount > perCaller)) {
      this.rejected += 1;
      return false;
    }
    this.#used += amount;
    if (caller !== undefined && amount > 0) this.#held.set(caller, held + amount);
    return true;
  }

  #remove(caller: string | undefined, amount: number): void {
    this.#used -= amount;
    assert(this.#used >= 0, "no more is released than was taken");
    if (caller === undefined) return;
    const left = this.heldBy(caller) - amount;
    if (left > 0) this.#held.set(caller, left);
    else this.#held.delete(caller);
  }
}
