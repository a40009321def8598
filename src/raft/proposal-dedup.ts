/**
 * Carriers may deliver a message twice, and a proposal appended twice is a write done twice. So a forwarded proposal
 * names its sender's session and a number within it, is meant for one term, and is taken once in that term.
 *
 * The memory ends with the term: a leader that is elected again, or restarted, leads another term, for which an old
 * proposal was not meant. It is bounded: of each session the latest numbers, and the sessions heard of last; what is
 * older than a session's window is not taken at all, which is what a carrier may do with any message.
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

  /** Whether this is the first time; remembers it. */
  acceptOnce(from: MemberId, sessionId: number, sequence: number): boolean {
    const name = `${from}:${sessionId}`;
    const session = this.#sessions.get(name) ?? { highest: 0, taken: new Set<number>() };
    // Last in the map's order is last used.
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
