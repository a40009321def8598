/**
 * What all callers of a member hold of one thing, and what each of them holds: one caller cannot have all of it. Pure
 * counting; who counts as a caller is decided in callers.ts.
 *
 * A caller that holds nothing takes no memory here, so a great many addresses cannot fill it.
 */
import { assert } from "../../base/assert.ts";

export interface BudgetLimits {
  /** Of all callers together. */
  readonly total: number;
  /** Of one caller. */
  readonly perCaller: number;
  /** Of the total, kept free for an owner. Default 0. */
  readonly reserved?: number;
}

/** What a caller was given. It counts until it is released; a second release does nothing. */
export interface Share {
  /** False when there is no room for so much more; what was held stays. */
  grow(this: void, amount: number): boolean;
  /** Gives back a part of it. */
  shrink(this: void, amount: number): void;
  release(this: void): void;
}

export class CallerBudget {
  readonly limits: BudgetLimits;
  /** How many requests for a share, or for more of one, were refused. */
  rejected = 0;
  readonly #held: Map<string, number> = new Map();
  #used = 0;

  constructor(limits: BudgetLimits) {
    this.limits = limits;
  }

  get used(): number {
    return this.#used;
  }

  /** Callers that hold anything now. */
  get callers(): number {
    return this.#held.size;
  }

  heldBy(caller: string): number {
    return this.#held.get(caller) ?? 0;
  }

  /**
   * Undefined when the caller, or all together, would hold too much. A caller without a name is this program itself: it
   * counts in the total only. An owner may use what is reserved, and is not held to the limit of one caller.
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
