/**
 * Accepts each forwarded proposal once. Transports may deliver a message twice, and a proposal that is appended twice
 * is a write executed twice. So a forwarded proposal carries its sender's session, a sequence number within it, and the
 * one term it is meant for.
 *
 * The memory ends with the term: a leader that is elected again, or restarted, leads another term, for which an old
 * proposal was not meant. It is bounded: it keeps the latest numbers of each session, and the most recently used
 * sessions. A proposal older than its session's window is dropped, as a transport may drop any message.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";

const WINDOW = 1024;
const SESSIONS_MAX = 256;

interface Session {
  highest: number;
  readonly taken: Set<number>;
}

export class ProposalDedup {
  readonly #sessions: Map<string, Session> = new Map();

  /** Returns whether this proposal arrives for the first time, and remembers it. */
  acceptOnce(from: MemberId, sessionId: number, sequence: number): boolean {
    const name = `${from}:${sessionId}`;
    const session = this.#sessions.get(name) ?? { highest: 0, taken: new Set<number>() };
    // The map's order is the order of use: the last entry is the most recently used.
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    if (this.#sessions.size > SESSIONS_MAX) this.#dropOldest();
    if (sequence <= session.highest - WINDOW || session.taken.has(sequence)) return false;
    session.taken.add(sequence);
    if (sequence > session.highest) this.#advance(session, sequence);
    return true;
  }

  #advance(session: Session, to: number): void {
    session.highest = to;
    if (session.taken.size <= WINDOW) return;
    for (const sequence of session.taken) {
      if (sequence <= to - WINDOW) session.taken.delete(sequence);
    }
  }

  #dropOldest(): void {
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }
}
