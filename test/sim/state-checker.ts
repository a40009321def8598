/**
 * Checks what the cluster agreed on, seen from outside. It compares members by the rules of the Raft paper (figure 3)
 * each time that something new can be seen, and every member's state with the reference model of the agreed log.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { utf8Decode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/node/member.ts";
import { FRAME_HEADER_BYTES, decodeFrame } from "../../src/protocol/peer/frame.ts";
import { rangeRequest } from "../../src/protocol/api/kv.ts";
import type { ConfState, Entry, Term } from "../../src/protocol/peer/raft-message.ts";
import type { MemoryImage } from "../../src/storage/memory/memory.ts";
import { ReferenceModel } from "./reference-model.ts";
import type { Machine } from "./sim-member.ts";

/**
 * Where the type of a frame's first message is, and etcd's number for a vote response. Decoding all frames would take
 * longer than everything else here.
 */
const TYPE_OFFSET = FRAME_HEADER_BYTES + 3;
const VOTE_RESPONSE = 6;
const EVERYTHING = Uint8Array.of(0);

export class Violation extends Error {}

interface Written {
  readonly entry: Entry;
  readonly previousTerm: Term | undefined;
  /** Machines that wrote it, and did not lose the write in a crash. */
  readonly writers: Set<bigint>;
}

interface Seen {
  incarnation: number;
  applied: number;
  term: Term;
  durableTerm: Term;
  leading: Term;
}

export class StateChecker {
  readonly model: ReferenceModel = new ReferenceModel();
  /** Members whose removal was applied at some member. */
  readonly removed: Set<bigint> = new Set();
  /** By index: the entry that was applied there. */
  readonly #entries: (Entry | undefined)[] = [undefined];
  /** By index: every entry that was ever written there. */
  readonly #written: Written[][] = [];
  readonly #leaders: Map<Term, bigint> = new Map();
  readonly #seen: Map<bigint, Seen> = new Map();
  readonly #votes: Map<string, bigint> = new Map();
  readonly #hashes: Map<number, string> = new Map();
  #lastConfChange = 0;

  get lastApplied(): number {
    return this.model.lastIndex;
  }

  /** Log matching: two entries of the same index and term are the same, and so are all entries before them. */
  written(machine: Machine, entries: readonly Entry[], previousTerm: Term | undefined): void {
    let previous = previousTerm;
    for (const entry of entries) {
      const there = (this.#written[entry.index] ??= []);
      const known = there.find((written) => written.entry.term === entry.term);
      if (known === undefined) there.push({ entry, previousTerm: previous, writers: new Set([machine.id]) });
      else if (!sameEntry(known.entry, entry) || (previous ?? known.previousTerm) !== known.previousTerm) {
        throw new Violation(`log matching: ${machine.id} wrote another entry ${entry.index} of term ${entry.term}`);
      } else known.writers.add(machine.id);
      if (entry.type === "conf-change") this.#lastConfChange = Math.max(this.#lastConfChange, entry.index);
      previous = entry.term;
    }
  }

  /**
   * Call after a crash. An entry that nobody holds any more may be replaced within its term, by a leader that goes on in
   * it. If it was sent, it arrives somewhere, and counts again.
   */
  crashed({ id, image }: Machine): void {
    for (let index = image.applied + 1; index < this.#written.length; index++) {
      const kept = (this.#written[index] ?? []).filter((written) => {
        if (!holds(image, written.entry)) written.writers.delete(id);
        return written.writers.size > 0;
      });
      this.#written[index] = kept;
    }
  }

  /** One vote per term, also over crashes. What counts is what was sent. */
  sent(frame: Uint8Array): void {
    if (frame[TYPE_OFFSET] !== VOTE_RESPONSE) return;
    const { body } = decodeFrame(frame, { maxBytes: frame.length });
    for (const message of body.type === "raft" ? body.messages : []) {
      if (message.type !== "vote-response" || message.reject) continue;
      const ballot = `${message.from} in term ${message.term}`;
      const before = this.#votes.get(ballot);
      if (before !== undefined && before !== message.to) {
        throw new Violation(`vote: ${ballot} voted for ${before} and for ${message.to}`);
      }
      this.#votes.set(ballot, message.to);
    }
  }

  /** Call after each event: checks what may have changed at this machine. */
  observe(machine: Machine): void {
    const member = machine.running;
    if (member === undefined) return;
    const seen = this.#seenOf(machine);
    const { term, role, commit } = member.basicStatus();
    if (term < seen.term) throw new Violation(`term: member ${machine.id} fell from term ${seen.term} to ${term}`);
    seen.term = term;
    seen.durableTerm = machine.image.hardState.term;
    if (member.applied !== seen.applied) this.#observeApplied(machine, member, seen, commit);
    if (role !== "leader") seen.leading = 0;
    else if (seen.leading !== term) this.#observeLeader(machine, member, seen, term);
  }

  /**
   * Committed entries are never lost: after a power failure of all members, could one be elected that lacks the entry?
   * Checked while all agree on the voters.
   */
  checkDurability(machines: ReadonlyMap<bigint, Machine>): void {
    const conf = this.#settledConfiguration(machines);
    const committed = this.#entries[this.lastApplied];
    if (conf === undefined || committed === undefined) return;
    const images = conf.voters.map((id) => machines.get(id)).filter((machine) => machine?.isLost === false);
    for (const machine of images) {
      if (machine === undefined || holds(machine.image, committed)) continue;
      const votes = images.filter((voter) => voter !== undefined && mayWin(machine.image, voter.image)).length;
      if (votes * 2 > conf.voters.length) {
        throw new Violation(
          `durability: entry ${committed.index} was applied, and ${machine.id} could be elected without it`,
        );
      }
    }
  }

  /** Checks that the member's state is what the log results in, now and at an earlier revision. */
  checkState(member: Member, back: number): void {
    const { store } = member.machine;
    this.#checkRevision(member, store.revision);
    const past = store.revision - back;
    if (back > 0 && past > 0 && past >= store.compactRevision) this.#checkRevision(member, past);
  }

  /** Checks that membership and Raft's configuration agree, and that removed members are in neither. */
  checkMembership({ id, machine: { membership } }: Member): void {
    const { voters, learners, learnersNext } = membership.confState;
    const counted = [...voters, ...learners, ...learnersNext];
    const wrong = counted.find((one) => !membership.has(one) || membership.wasRemoved(one));
    if (wrong === undefined && counted.length === membership.members.length) return;
    throw new Violation(`membership: ${id} counts ${counted.join(" ")}, of whom ${wrong} does not belong to it`);
  }

  /** Checks that members with the same applied index have equal hashes. */
  checkHash(member: Member): void {
    const { hash, hashRevision, compactRevision } = member.machine.store.hashKv(0);
    const state = `${hash} of revision ${hashRevision} compacted at ${compactRevision}`;
    const known = this.#hashes.get(member.applied);
    if (known === undefined) this.#hashes.set(member.applied, state);
    else if (known !== state) {
      throw new Violation(`equal state: at ${member.applied} member ${member.id} has ${state}, another one ${known}`);
    }
  }

  #seenOf(machine: Machine): Seen {
    let seen = this.#seen.get(machine.id);
    if (seen === undefined) {
      seen = { incarnation: machine.incarnation, applied: 0, term: 0, durableTerm: 0, leading: 0 };
      this.#seen.set(machine.id, seen);
    } else if (seen.incarnation !== machine.incarnation) {
      // A term in memory may have been ahead of the disk when the power failed. Nothing was sent in it then.
      Object.assign(seen, { incarnation: machine.incarnation, applied: 0, term: seen.durableTerm, leading: 0 });
    }
    return seen;
  }

  /** Election safety: at most one leader in a term. Leader completeness: it has every committed entry. */
  #observeLeader(machine: Machine, member: Member, seen: Seen, term: Term): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== machine.id) {
      throw new Violation(`election safety: ${other} and ${machine.id} both lead term ${term}`);
    }
    this.#leaders.set(term, machine.id);
    seen.leading = term;
    for (let index = member.logReader.firstIndex(); index <= this.lastApplied; index++) {
      const entry = this.#entries[index];
      // An earlier leader need not know the entries committed in later terms.
      if (entry === undefined || entry.term > term) continue;
      const has = member.logTerm(index);
      if (has === entry.term) continue;
      throw new Violation(
        `leader completeness: leader ${machine.id} of term ${term} has term ${has} at ${index}, ` +
          `where term ${entry.term} was committed`,
      );
    }
  }

  /** State machine safety: all members apply the same entry at an index, and get the same revision from it. */
  #observeApplied(machine: Machine, member: Member, seen: Seen, commit: number): void {
    const { applied } = member;
    if (applied > commit) throw new Violation(`${machine.id} applied ${applied}, of ${commit} committed`);
    if (applied < seen.applied) throw new Violation(`${machine.id} went back from ${seen.applied} to ${applied}`);
    const log = member.logReader;
    const from = Math.max(seen.applied + 1, log.firstIndex());
    for (const entry of from <= applied ? log.entries(from, applied + 1, Infinity) : []) this.#applied(machine, entry);
    seen.applied = applied;
    for (const id of member.machine.membership.removed) this.removed.add(id);
    if (applied > this.lastApplied) throw new Violation(`nobody has shown entry ${this.lastApplied + 1}`);
    const { revision, compactRevision } = member.machine.store;
    const expected = this.model.revisionAfter(applied);
    if (revision !== expected || compactRevision !== this.model.compactRevisionAfter(applied)) {
      throw new Violation(
        `revision: at ${applied} member ${machine.id} is at revision ${revision} compacted at ${compactRevision}, ` +
          `the log says ${expected} compacted at ${this.model.compactRevisionAfter(applied)}`,
      );
    }
  }

  #applied(machine: Machine, entry: Entry): void {
    const known = this.#entries[entry.index];
    if (known !== undefined) {
      if (sameEntry(known, entry)) return;
      throw new Violation(
        `state machine safety: ${machine.id} applied term ${entry.term} at ${entry.index}, ` +
          `another one term ${known.term}`,
      );
    }
    if (entry.index !== this.lastApplied + 1) throw new Violation(`nobody has shown entry ${this.lastApplied + 1}`);
    this.#entries[entry.index] = entry;
    const wrong = this.model.apply(entry);
    if (wrong !== undefined) throw new Violation(`exactly once: ${wrong}`);
  }

  #checkRevision(member: Member, revision: number): void {
    const { store } = member.machine;
    const { kvs } = store.range(rangeRequest({ key: EVERYTHING, rangeEnd: EVERYTHING, revision }));
    const expected = this.model.state(revision);
    const where = `state: at revision ${revision} member ${member.id} has`;
    if (kvs.length !== expected.size) throw new Violation(`${where} ${kvs.length} keys, not ${expected.size}`);
    for (const { key, value, createRevision, modRevision, version, lease } of kvs) {
      const pair = expected.get(utf8Decode(key));
      const same =
        pair !== undefined &&
        utf8Decode(value) === pair.value &&
        createRevision === pair.create &&
        modRevision === pair.mod &&
        version === pair.version &&
        lease === pair.lease;
      if (!same) throw new Violation(`${where} another ${utf8Decode(key)}: ${utf8Decode(value)} of ${modRevision}`);
    }
  }

  /** Returns the configuration, if all its voters have it on disk. */
  #settledConfiguration(machines: ReadonlyMap<bigint, Machine>): ConfState | undefined {
    let conf: ConfState | undefined;
    for (const machine of machines.values()) {
      const member = machine.running;
      if (member !== undefined && member.applied >= this.#lastConfChange) conf = member.machine.membership.confState;
    }
    const settled = conf?.voters.every((id) => {
      const machine = machines.get(id);
      return machine === undefined || machine.isLost || machine.image.applied >= this.#lastConfChange;
    });
    return settled === true ? conf : undefined;
  }
}

function sameEntry(left: Entry, right: Entry): boolean {
  if (left === right) return true;
  return left.term === right.term && left.type === right.type && equalBytes(left.data, right.data);
}

function holds({ log, applied }: MemoryImage, entry: Entry): boolean {
  return applied >= entry.index || log.term(entry.index) === entry.term;
}

/** Returns whether the voter's log is not ahead of the candidate's (§5.4.1). */
function mayWin({ log: candidate }: MemoryImage, { log: voter }: MemoryImage): boolean {
  const term = candidate.term(candidate.lastIndex()) ?? 0;
  const voterTerm = voter.term(voter.lastIndex()) ?? 0;
  return term > voterTerm || (term === voterTerm && candidate.lastIndex() >= voter.lastIndex());
}
