/**
 * People who are invited to a room: invitations that are made, run out, expire and are revoked; profiles that come by them in
 * time or too late, lose their stores, are removed, and come back under their id and under another one; and readers whose
 * page was changed. What must hold is judged at every member again and again.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { Prng } from "../../src/base/prng.ts";
import { toHex } from "../../src/base/text-codes.ts";
import { isKeyRemoved, keyOf, memberWithKey } from "../../src/member/membership/member-keys.ts";
import { guestWithKey, invitationOf } from "../../src/member/membership/invitations.ts";
import type { Membership } from "../../src/member/membership/membership.ts";
import type { Member } from "../../src/member/node/member.ts";
import { encodeFrame } from "../../src/protocol/peer/frame.ts";
import type { GuestRole } from "../../src/protocol/peer/invitations-schema.ts";
import type { PeerProof } from "../../src/transport/greeting/handshake.ts";
import { FORGED_CHANGE_ID, forgedFrames } from "./forged-frames.ts";
import type { Machine } from "./sim-member.ts";
import { CLUSTER_ID } from "./sim-member.ts";
import { Violation } from "./state-checker.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Faults } from "./faults.ts";
import type { SimNetwork } from "./network.ts";

const HASH_BYTES = 32;
const ROOM = { greeting: new Uint8Array(HASH_BYTES).fill(1), relay: new Uint8Array(HASH_BYTES).fill(2) };
/** Of all guests that a run brings, with those that come back under another id. */
const GUESTS_MAX = 10;
const LOOK_EVERY_MS = 500;
/** What a reader with a changed page tries. */
const CHANGING = /^(raft\/(propose|transfer-leader)|rpc\/(cluster\/change|lease\/renew)|join)/;

interface Made {
  readonly id: Uint8Array;
  readonly role: GuestRole;
  readonly uses: number;
  readonly expiresMs: number;
  /** When whoever revoked it was told that it is. */
  revokedMs: number;
  /** Keys that came in by it. */
  readonly entered: Set<string>;
}

interface Guest {
  readonly machine: Machine;
  readonly made: Made;
  readonly cameMs: number;
  /** Whoever removed it was told that it is. */
  isRemoved: boolean;
}

/**
 * What a machine proves to another one. Whoever was invited shows its invitation until its log has the room's key, and until
 * then it is known only where the invitation is. It cannot tell who knows the secret, ever.
 */
export function proofBetween(
  peer: Machine | undefined,
  to: Machine | undefined,
  knowsSecret: boolean,
): PeerProof | undefined {
  const known = to?.member?.machine.membership.invitations;
  if (to?.invitation !== undefined && known?.room.greeting.length !== HASH_BYTES) {
    // It trusts whoever knows its invitation.
    const theirs = peer?.member?.machine.membership.invitations;
    const isHost = theirs !== undefined && invitationOf(theirs, to.invitation) !== undefined;
    return isHost ? { key: peer?.key, knowsSecret: undefined, invitation: undefined, isHost } : undefined;
  }
  const invitation = peer?.invitation;
  const hasRoomKey = peer?.member?.machine.membership.invitations.room.greeting.length === HASH_BYTES;
  const isUnknown = known === undefined || invitation === undefined || invitationOf(known, invitation) === undefined;
  if (invitation !== undefined && !hasRoomKey && isUnknown) return undefined;
  const secret = to?.invitation === undefined ? invitation === undefined && knowsSecret : undefined;
  return { key: peer?.key, knowsSecret: secret, invitation, isHost: false };
}

/** What happens to guests needs this of the world. */
export interface InvitingWorld {
  readonly faults: Faults;
  readonly queue: EventQueue;
  readonly network: SimNetwork;
  readonly machines: ReadonlyMap<bigint, Machine>;
  readonly alive: readonly Member[];
  readonly healing: boolean;
  leader(): Member | undefined;
  addNewcomer(profile: Partial<Pick<Machine, "key" | "invitation">>): Machine;
  trace(line: string): void;
}

export class Guests {
  readonly #world: InvitingWorld;
  /** Its own generator, so that the same guests come whatever else is drawn. */
  readonly #prng: Prng;
  readonly #made: Made[] = [];
  readonly #guests: Guest[] = [];
  #count = 0;

  constructor(world: InvitingWorld, seed: number) {
    this.#world = world;
    this.#prng = new Prng(seed + 4);
  }

  start(): void {
    const { guests } = this.#world.faults;
    if (guests === undefined) return;
    this.#every(guests.inviteEveryMs, () => this.#invite(guests.expiryMs));
    this.#every(guests.comeEveryMs, () => this.#come());
    this.#every(guests.endEveryMs, () => {
      if (this.#prng.bool(0.4)) this.#revoke();
      else this.#remove();
    });
    this.#every(guests.comeEveryMs, () => this.#forge());
    const look = (): void => {
      this.#turnAway();
      // After the faults, too: who is not let in goes away.
      this.#world.queue.after(LOOK_EVERY_MS, look);
    };
    look();
  }

  /** What holds at every member, as far as it has applied the log. */
  check({ id, leader, machine: { membership } }: Member): void {
    if (this.#world.faults.guests === undefined) return;
    const { confState, keys, invitations } = membership;
    const voters = new Set([...confState.voters, ...confState.votersOutgoing]);
    for (const { key, role, invitation } of invitations.guests) {
      const came = this.#guests.find((one) => equalBytes(one.machine.key, key));
      const member = memberWithKey(keys, key);
      const fail = (what: string): never => {
        throw new Violation(`guests: at member ${id}, guest ${member ?? toHex(key).slice(0, 4)} ${what}`);
      };
      if (came === undefined) return fail("came by no invitation");
      if (!equalBytes(came.made.id, invitation) || came.made.role !== role) fail("is another than was invited");
      if (role === "reader" && member !== undefined && voters.has(member)) fail("reads only, and votes");
      if (role === "reader" && member !== undefined && leader === member) fail("reads only, and leads");
      const { entered, expiresMs, revokedMs } = came.made;
      if (entered.has(toHex(key))) continue;
      if (came.cameMs >= expiresMs) fail("came after the invitation's time");
      if (came.cameMs >= revokedMs) fail("came after the invitation was revoked");
      entered.add(toHex(key));
    }
    for (const made of this.#made) this.#checkUses(id, made, invitationOf(invitations, made.id)?.usesLeft);
    for (const guest of this.#guests) this.#checkRemoved(id, guest, membership);
    if (membership.recentlyMade(FORGED_CHANGE_ID) !== undefined)
      throw new Violation(`guests: ${id} made a forged change`);
  }

  #checkUses(at: bigint, { id, uses, entered }: Made, usesLeft = uses): void {
    const name = toHex(id).slice(0, 4);
    if (entered.size > uses) throw new Violation(`guests: ${entered.size} came in by ${name}, which was for ${uses}`);
    // A member may be behind what others have shown.
    if (usesLeft < 0 || usesLeft > uses) throw new Violation(`guests: ${usesLeft} uses of ${name} are left at ${at}`);
  }

  #checkRemoved(at: bigint, { machine, isRemoved }: Guest, membership: Membership): void {
    if (!isRemoved || !membership.wasRemoved(machine.id)) return;
    const isMember = memberWithKey(membership.keys, machine.key) !== undefined;
    const isGuest = guestWithKey(membership.invitations, machine.key) !== undefined;
    if (isMember || isGuest) throw new Violation(`guests: ${machine.id} was removed, and is still somebody at ${at}`);
  }

  // ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

  #invite(expiryMs: number): void {
    const host = this.#host();
    if (host === undefined) return;
    const nowMs = Math.floor(this.#world.queue.nowMs);
    this.#count += 1;
    const id = new Uint8Array(HASH_BYTES).fill(0xc0 + this.#count);
    const role = this.#prng.bool(0.5) ? "reader" : "member";
    const uses = this.#prng.int(1, 4);
    const expiresMs = nowMs + this.#prng.int(1_000, expiryMs);
    const hashes = { id, greetingKey: id, registryHash: id };
    const invitation = { ...hashes, role, usesLeft: uses, expiresMs, isRevoked: false } as const;
    host.changes.invite({ invitation, room: ROOM, nowMs }, (outcome) => {
      this.#world.trace(`invitation ${this.#made.length} as ${role}: ${outcome.ok ? "made" : outcome.error.message}`);
      if (outcome.ok) this.#made.push({ id, role, uses, expiresMs, revokedMs: Infinity, entered: new Set() });
    });
  }

  /** Most come in time; some by what is over. */
  #come(): void {
    const { queue } = this.#world;
    if (this.#made.length === 0 || this.#guests.length >= GUESTS_MAX) return;
    const made = this.#prng.bool(0.7) ? (this.#made.at(-1) as Made) : this.#prng.pick(this.#made);
    this.#arrive(made, queue.nowMs);
  }

  #arrive(made: Made, cameMs: number, key?: Uint8Array): void {
    const profile = key === undefined ? {} : { key };
    const machine = this.#world.addNewcomer({ ...profile, invitation: made.id });
    this.#guests.push({ machine, made, cameMs, isRemoved: false });
    this.#world.trace(`${machine.id} comes as ${made.role}`);
    machine.powerOn();
  }

  #revoke(): void {
    const host = this.#host();
    const made = this.#made.length === 0 ? undefined : this.#prng.pick(this.#made);
    if (host === undefined || made === undefined) return;
    host.changes.revokeInvitation(made.id, (outcome) => {
      if (outcome.ok) made.revokedMs = Math.min(made.revokedMs, this.#world.queue.nowMs);
    });
  }

  /** It comes back by what it has stored, and later as somebody else. */
  #remove(): void {
    const host = this.#host();
    const inside = this.#guests.filter(
      ({ machine, isRemoved }) => !isRemoved && host?.machine.membership.has(machine.id),
    );
    if (host === undefined || inside.length === 0) return;
    const guest = this.#prng.pick(inside);
    host.changes.remove(guest.machine.id, (outcome) => {
      this.#world.trace(`remove guest ${guest.machine.id}: ${outcome.ok ? "done" : outcome.error.message}`);
      if (!outcome.ok) return;
      guest.isRemoved = true;
      guest.machine.powerOn();
      if (this.#guests.length < GUESTS_MAX && !this.#world.healing) {
        this.#arrive(guest.made, this.#world.queue.nowMs, guest.machine.key);
      }
    });
  }

  /** A reader's own code refuses to write; that of somebody else's making does not. */
  #forge(): void {
    const readers = this.#guests.filter(({ made, machine }) => made.role === "reader" && machine.running !== undefined);
    const reader = readers.length === 0 ? undefined : this.#prng.pick(readers).machine;
    const victims = this.#world.alive.filter((member) => {
      const bound = reader && keyOf(member.machine.membership.keys, reader.id);
      // Whom it does not know yet it sees as a newcomer; the attacker plays those.
      return bound !== undefined && member.id !== reader?.id && this.#world.machines.get(member.id)?.isFrozen === false;
    });
    if (reader === undefined || victims.length === 0) return;
    const victim = this.#prng.pick(victims);
    const { term, lastIndex, confState } = victim.status();
    const lastTerm = victim.logTerm(lastIndex) ?? 0;
    const target = { id: victim.id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm, confState };
    const forged = forgedFrames(reader.id, target).filter(({ name }) => CHANGING.test(name) && !name.endsWith("ahead"));
    for (const { body } of forged) {
      const header = { clusterId: CLUSTER_ID, from: reader.id, to: victim.id };
      this.#world.network.forge(reader.id, victim.id, encodeFrame(header, body), reader.key);
    }
  }

  /** Whoever is told that it does not come in closes the page, and keeps nothing. */
  #turnAway(): void {
    const leader = this.#world.leader()?.machine.membership;
    for (const { machine } of this.#guests) {
      const member = machine.running;
      if (member === undefined || leader === undefined || leader.has(machine.id)) continue;
      if (member.machine.membership.has(machine.id) || member.machine.membership.wasRemoved(machine.id)) continue;
      const isRefused =
        member.joinRefusal?.startsWith("invitation-") === true || isKeyRemoved(leader.keys, machine.key);
      if (!isRefused) continue;
      this.#world.trace(`${machine.id} goes away: ${member.joinRefusal ?? "its key was removed"}`);
      machine.loseDatabase();
    }
  }

  /** Somebody who knows the secret. */
  #host(): Member | undefined {
    const hosts = this.#world.alive.filter(({ id }) => this.#world.machines.get(id)?.invitation === undefined);
    return hosts.length === 0 ? undefined : this.#prng.pick(hosts);
  }

  #every(meanMs: number, happen: () => void): void {
    this.#world.queue.after(meanMs * (0.5 + this.#prng.next()), () => {
      if (this.#world.healing) return;
      happen();
      this.#every(meanMs, happen);
    });
  }
}
