/**
 * Tickets for WebSockets. A PeerJS client can only send what is in the URL, not a header, and URLs end up in logs. So a
 * client with the room's key fetches a ticket first and connects with it. A ticket is random and valid once, for one
 * peer id, for half a minute. Tickets are kept in memory only: a client whose ticket was lost with the object fetches
 * another.
 */
import { toHex } from "../../src/base/text-codes.ts";

export interface Ticket {
  /** The peer id that may connect with it. */
  readonly id: string;
  /** Distinguishes a returning peer from another one that wants its id. */
  readonly token: string;
  readonly keyHash: string | undefined;
}

const VALID_MS = 30_000;
const MAX_TICKETS = 256;
const TICKET_BYTES = 24;

export class RoomTickets {
  readonly #issued: Map<string, Ticket & { readonly untilMs: number }> = new Map();

  issue(ticket: Ticket, nowMs: number): string {
    for (const [name, { untilMs }] of this.#issued) {
      if (untilMs < nowMs || this.#issued.size >= MAX_TICKETS) this.#issued.delete(name);
    }
    const name = toHex(crypto.getRandomValues(new Uint8Array(TICKET_BYTES)));
    this.#issued.set(name, { ...ticket, untilMs: nowMs + VALID_MS });
    return name;
  }

  /** Returns undefined if there is no valid ticket for that id. */
  redeem(name: string, id: string, nowMs: number): Ticket | undefined {
    const ticket = this.#issued.get(name);
    if (ticket === undefined || ticket.id !== id) return undefined;
    this.#issued.delete(name);
    return ticket.untilMs < nowMs ? undefined : ticket;
  }
}
