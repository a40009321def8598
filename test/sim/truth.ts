/**
 * What the cluster agreed on, as seen from outside: every rule of the Raft paper (figure 3) that can be checked by
 * comparing members, checked each time that something new can be seen.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import type { Entry } from "../../src/protocol/raft-message.ts";
import type { Machine } from "./sim-member.ts";

export class Violation extends Error {}

export class Truth {
  /** Entry by index, as the first member applied it; [0] is nothing. */
  readonly #entries: (Entry | undefined)[] = [undefined];
  readonly #leaders: Map<number, bigint> = new Map();
  readonly #applied: Map<Machine, { life: number; index: number }> = new Map();
  readonly #leading: Map<Machine, number> = new Map();
  readonly #terms: Map<bigint, number> = new Map();
  #last = 0;

  get lastApplied(): number {
    return this.#last;
  }

  /** After each event: looks at what may have changed at this machine. */
  observe(machine: Machine): void {
    const { member } = machine;
    if (member === undefined || member.problem !== undefined) return;
    const { term, role, commit } = member.brief();
    this.#observeTerm(machine, term);
    this.#observeApplied(machine, member.applied, commit);
    if (role !== "leader") this.#leading.delete(machine);
    else if (this.#leading.get(machine) !== term) this.#observeLeader(machine, term);
  }

  /** "Terms only grow", also over crashes: a member that forgot its term could vote twice. */
  #observeTerm(machine: Machine, term: number): void {
    const known = this.#terms.get(machine.id) ?? 0;
    // A term in memory may be ahead of the disk when the power fails; nothing was said in it then.
    if (term < known && this.#applied.get(machine)?.life === machine.life) {
      throw new Violation(`term: member ${machine.id} fell from term ${known} to ${term}`);
    }
    this.#terms.set(machine.id, term);
  }

  /** Election safety: at most one leader in a term. Leader completeness: it has every entry that was committed. */
  #observeLeader(machine: Machine, term: number): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== machine.id) {
      throw new Violation(`election safety: ${other} and ${machine.id} both lead term ${term}`);
    }
    this.#leaders.set(term, machine.id);
    this.#leading.set(machine, term);
    const log = machine.member?.logReader;
    if (log === undefined) return;
    for (let index = log.firstIndex(); index <= this.#last; index++) {
      const entry = this.#entries[index];
      // What was committed in later terms, a leader of the past need not know.
      if (entry === undefined || entry.term > term) continue;
      const has = machine.member?.logTerm(index);
      if (has !== entry.term) {
        throw new Violation(
          `leader completeness: leader ${machine.id} of term ${term} has term ${has} at ${index}, ` +
            `where term ${entry.term} was committed`,
        );
      }
    }
  }

  /** State machine safety: nobody applies another entry at the same index. */
  #observeApplied(machine: Machine, applied: number, commit: number): void {
    let seen = this.#applied.get(machine);
    if (seen === undefined || seen.life !== machine.life) {
      seen = { life: machine.life, index: 0 };
      this.#applied.set(machine, seen);
    }
    if (applied === seen.index) return;
    if (applied > commit) throw new Violation(`${machine.id} applied ${applied}, of ${commit} committed`);
    if (applied < seen.index) throw new Violation(`${machine.id} went back from ${seen.index} to ${applied}`);
    const log = machine.storage?.log;
    const from = Math.max(seen.index + 1, log?.firstIndex() ?? Infinity);
    for (let index = from; index <= applied; index++) {
      const entry = log?.entries(index, index + 1, Infinity)[0];
      if (entry !== undefined) this.#compare(machine, entry);
    }
    seen.index = applied;
    this.#last = Math.max(this.#last, applied);
  }

  #compare(machine: Machine, entry: Entry): void {
    const known = this.#entries[entry.index];
    if (known === undefined) {
      this.#entries[entry.index] = entry;
      return;
    }
    if (known.term !== entry.term || known.type !== entry.type || !equalBytes(known.data, entry.data)) {
      throw new Violation(
        `state machine safety: ${machine.id} applied term ${entry.term} at ${entry.index}, another one term ${known.term}`,
      );
    }
  }
}
