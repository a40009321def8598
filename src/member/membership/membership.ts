/**
 * The members of the cluster according to the log. Part of the replicated state: changed only by applying entries,
 * stored in the same transaction as the applied index, contained in snapshots.
 *
 * Invariant: a removed member never returns under its id (etcd: members_removed).
 */
import { assert, unreachable } from "../../base/assert.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Member, MemberAttributes, MembershipMember } from "../../protocol/api/cluster.ts";
import { membershipMemberSchema } from "../../protocol/api/schema/cluster-schema.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import { memberChange, memberChangeSchema, recentChangesSchema } from "../../protocol/peer/member-change-schema.ts";
import type { MemberChange, RecentChange } from "../../protocol/peer/member-change-schema.ts";
import { memberKeysSchema } from "../../protocol/peer/member-keys-schema.ts";
import { confStateSchema } from "../../protocol/peer/raft-message-schema.ts";
import type { ConfChange, ConfState, MemberId } from "../../protocol/peer/raft-message.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { invitationsSchema } from "../../protocol/peer/invitations-schema.ts";
import type { Guest, Invitations } from "../../protocol/peer/invitations-schema.ts";
import { refusalOf } from "./change-rules.ts";
import { clusterShapeSchema, NO_SHAPE } from "../../protocol/peer/cluster-shape-schema.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import { shapeAfter } from "./cluster-shape.ts";
import { enterBy, guestWithKey, invite, mayEnter, NO_INVITATIONS, revoke, withoutGuest } from "./invitations.ts";
import { bind, keyOf, mayBind, memberWithKey, NO_KEYS, unbind } from "./member-keys.ts";
import type { MemberKeys } from "./member-keys.ts";

const RECENT_KEY = textKey("recentChanges");
/**
 * Recent changes that are remembered. A change is requested again only within its time-out, and there is one at a time.
 */
const RECENT_MAX = 16;
const KEYS_KEY = textKey("memberKeys");
const INVITATIONS_KEY = textKey("invitations");
const SHAPE_KEY = textKey("clusterShape");
const CONF_STATE_KEY = textKey("confState");
const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

export class Membership {
  readonly #tables: StateTables;
  #confState: ConfState;
  #members = new Map<MemberId, Member>();
  readonly #removed = new Set<MemberId>();
  #recent: readonly RecentChange[];
  #keys: MemberKeys;
  #invitations: Invitations;
  #shape: ClusterShape;

  constructor(tables: StateTables) {
    this.#tables = tables;
    const stored = tables.bucket("meta").get(CONF_STATE_KEY);
    this.#confState = stored === undefined ? EMPTY_CONF_STATE : decode(confStateSchema, stored);
    tables.bucket("members").scan((key, value) => {
      const id = new DataView(key.buffer, key.byteOffset).getBigUint64(0);
      if (value.length === 0) this.#removed.add(id);
      else this.#members.set(id, memberOf(decode(membershipMemberSchema, value)));
      return true;
    });
    this.#markLearners();
    const recent = tables.bucket("meta").get(RECENT_KEY);
    this.#recent = recent === undefined ? [] : decode(recentChangesSchema, recent).changes;
    const keys = tables.bucket("meta").get(KEYS_KEY);
    this.#keys = keys === undefined ? NO_KEYS : decode(memberKeysSchema, keys);
    const invitations = tables.bucket("meta").get(INVITATIONS_KEY);
    this.#invitations = invitations === undefined ? NO_INVITATIONS : decode(invitationsSchema, invitations);
    const shape = tables.bucket("meta").get(SHAPE_KEY);
    this.#shape = shape === undefined ? NO_SHAPE : decode(clusterShapeSchema, shape);
  }

  get confState(): ConfState {
    return this.#confState;
  }

  /** Sorted by id. */
  get members(): readonly Member[] {
    return [...this.#members.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  has(id: MemberId): boolean {
    return this.#members.has(id);
  }

  get removed(): readonly MemberId[] {
    return [...this.#removed];
  }

  wasRemoved(id: MemberId): boolean {
    return this.#removed.has(id);
  }

  get(id: MemberId): Member | undefined {
    return this.#members.get(id);
  }

  /** Of a room: whose key is whose. */
  get keys(): MemberKeys {
    return this.#keys;
  }

  /** Of a room: who is invited, and who came by an invitation. */
  get invitations(): Invitations {
    return this.#invitations;
  }

  /** Undefined for a member that came without an invitation, and for one that is none. */
  guest(id: MemberId): Guest | undefined {
    const key = keyOf(this.#keys, id);
    return key && guestWithKey(this.#invitations, key);
  }

  /** Of a room: who votes, and which members are objects. */
  get shape(): ClusterShape {
    return this.#shape;
  }

  /** Number of members that have ever existed. */
  get everCount(): number {
    return this.#members.size + this.#removed.size;
  }

  /** Returns the member that a recent change affected; undefined if the change was not made recently. */
  recentlyMade(changeId: bigint): MemberId | undefined {
    return this.#recent.find((made) => made.changeId === changeId)?.memberId;
  }

  /**
   * Validates a change. "apply": it takes effect. "duplicate": it has taken effect before. "ignore": it has none. An
   * error states why not.
   */
  validate(change: ConfChange): "apply" | "duplicate" | "ignore" | EtcdError {
    const context = contextOf(change);
    if (context === undefined || context.rule === "none") return this.#allows(change, context) ? "apply" : "ignore";
    if (this.recentlyMade(change.id) !== undefined) return "duplicate";
    return refusalOf(context, this) ?? "apply";
  }

  /**
   * A removed member does not return under its id, nor under another one with its key. An invitation lets in as many as it
   * says, and who may only read does not vote.
   */
  #allows(change: ConfChange, context: MemberChange | undefined): boolean {
    if (context !== undefined && context.invitation.length > 0) {
      if (!mayEnter(this.#invitations, context.key, context.invitation)) return false;
    }
    if (context !== undefined && context.key.length > 0) {
      const gone = change.changes.filter(({ type }) => type === "remove-node");
      const left = gone.reduce((keys, { nodeId }) => unbind(keys, nodeId, "may-return"), this.#keys);
      if (!mayBind(left, context.id, context.key)) return false;
    }
    return change.changes.every(({ type, nodeId }) => {
      if (type === "add-node" && this.guest(nodeId)?.role === "reader") return false;
      return type === "remove-node" || !this.#removed.has(nodeId);
    });
  }

  /**
   * Applies a change. `confState` is Raft's result for the same change. What Raft rejected changes nothing here either.
   */
  apply(change: ConfChange, confState: ConfState): void {
    const context = contextOf(change);
    const present = new Set([...confState.voters, ...confState.learners, ...confState.learnersNext]);
    for (const single of change.changes) {
      if (present.has(single.nodeId) === (single.type === "remove-node")) continue;
      switch (single.type) {
        case "add-node":
        case "add-learner":
          this.#upsert(single.nodeId, context?.id === single.nodeId ? context : undefined);
          break;
        case "update-node":
          if (context !== undefined) this.#updateBy(context);
          break;
        case "remove-node":
          this.#unbind(single.nodeId, context?.rule === "remove" ? "removed" : "may-return");
          this.#members.delete(single.nodeId);
          this.#removed.add(single.nodeId);
          this.#tables.bucket("members").set(idKey(single.nodeId), EMPTY_BYTES);
          break;
        default:
          unreachable(single.type);
      }
    }
    if (context !== undefined && context.key.length > 0 && this.#members.has(context.id)) {
      this.#keep(bind(this.#keys, context.id, context.key));
      if (context.invitation.length > 0) {
        this.#keepInvitations(enterBy(this.#invitations, context.key, context.invitation, this.#hasKey));
      }
    }
    this.#reshape(shapeAfter(this.#shape, context));
    this.#confState = confState;
    this.#tables.bucket("meta").set(CONF_STATE_KEY, encode(confStateSchema, confState));
    this.#markLearners();
    if (context !== undefined && context.rule !== "none") this.#remember({ changeId: change.id, memberId: context.id });
  }

  /** Stores the attributes that a member publishes once it runs. */
  setAttributes(id: MemberId, attributes: MemberAttributes): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#store({ ...member, name: attributes.name, clientUrls: attributes.clientUrls });
  }

  /** A promoted or demoted member keeps its attributes. */
  #upsert(id: MemberId, context: MemberChange | undefined): void {
    const known = this.#members.get(id);
    if (known !== undefined && (context === undefined || context.rule === "promote")) return;
    this.#store(context === undefined ? { ...memberOf(NO_RECORD), id } : memberOf(context));
  }

  #updateBy(context: MemberChange): void {
    switch (context.rule) {
      case "invite":
        if (context.invite !== undefined) this.#keepInvitations(invite(this.#invitations, context.invite));
        break;
      case "revoke":
        this.#keepInvitations(revoke(this.#invitations, context.invitation, this.#hasKey));
        break;
      case "shape":
        break;
      case "none":
      case "add":
      case "promote":
      case "update":
      case "remove":
        // A change that binds a key carries nothing else.
        if (context.key.length === 0) this.#update(context);
        break;
      default:
        unreachable(context.rule);
    }
  }

  /** The key of a member that somebody removed does not come back, and no invitation helps it. */
  #unbind(id: MemberId, how: "may-return" | "removed"): void {
    const key = keyOf(this.#keys, id);
    if (key !== undefined && how === "removed") this.#keepInvitations(withoutGuest(this.#invitations, key));
    this.#keep(unbind(this.#keys, id, how));
  }

  readonly #hasKey = (key: Uint8Array): boolean => memberWithKey(this.#keys, key) !== undefined;

  #update({ id, raftAttributes }: MemberChange): void {
    const known = this.#members.get(id);
    if (known !== undefined) this.#store({ ...known, peerUrls: raftAttributes?.peerUrls ?? [] });
  }

  #remember(made: RecentChange): void {
    this.#recent = [...this.#recent, made].slice(-RECENT_MAX);
    this.#tables.bucket("meta").set(RECENT_KEY, encode(recentChangesSchema, { changes: this.#recent }));
  }

  #keep(keys: MemberKeys): void {
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#tables.bucket("meta").set(KEYS_KEY, encode(memberKeysSchema, keys));
  }

  #keepInvitations(invitations: Invitations): void {
    if (invitations === this.#invitations) return;
    this.#invitations = invitations;
    this.#tables.bucket("meta").set(INVITATIONS_KEY, encode(invitationsSchema, invitations));
  }

  #reshape(shape: ClusterShape): void {
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#tables.bucket("meta").set(SHAPE_KEY, encode(clusterShapeSchema, shape));
  }

  #store(member: Member): void {
    this.#members.set(member.id, member);
    this.#tables.bucket("members").set(idKey(member.id), encodeMember(member));
  }

  /** Only the configuration stores which members are learners, so that the two cannot disagree. */
  #markLearners(): void {
    const learners = new Set(this.#confState.learners);
    for (const member of this.#members.values()) {
      const isLearner = learners.has(member.id);
      if (member.isLearner !== isLearner) this.#members.set(member.id, { ...member, isLearner });
    }
  }
}

/** Writes the initial membership of a cluster that was restored, and so has no log of changes. */
export function writeMembership(tables: StateTables, voters: readonly Member[], shape?: ClusterShape): void {
  const confState = { ...EMPTY_CONF_STATE, voters: voters.map(({ id }) => id) };
  const meta = tables.bucket("meta");
  meta.set(CONF_STATE_KEY, encode(confStateSchema, confState));
  if (shape !== undefined) meta.set(SHAPE_KEY, encode(clusterShapeSchema, shape));
  for (const member of voters) tables.bucket("members").set(idKey(member.id), encodeMember(member));
}

/** The context of the change by which a member is there from the beginning. */
export function encodeFounding(member: Member, shape: ClusterShape | undefined): Uint8Array {
  return shape === undefined
    ? encodeMember(member)
    : encode(memberChangeSchema, memberChange({ ...recordOf(member), shape }));
}

export function encodeMember(member: Member): Uint8Array {
  const record = recordOf(member);
  const bytes = encode(membershipMemberSchema, record);
  assert(bytes.length > 0, "an empty record marks a removed member");
  return bytes;
}

function recordOf(member: Member): MembershipMember {
  return {
    id: member.id,
    raftAttributes: { peerUrls: member.peerUrls, isLearner: false },
    memberAttributes: { name: member.name, clientUrls: member.clientUrls },
  };
}

const NO_RECORD: MembershipMember = { id: 0n, raftAttributes: undefined, memberAttributes: undefined };

/**
 * Decodes the context of a change. If it is not readable, a member of another version proposed it. Every member alike
 * must treat it as absent.
 */
function contextOf(change: ConfChange): MemberChange | undefined {
  if (change.context.length === 0) return undefined;
  try {
    return decode(memberChangeSchema, change.context);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function memberOf(record: MembershipMember): Member {
  return {
    id: record.id,
    name: record.memberAttributes?.name ?? "",
    peerUrls: record.raftAttributes?.peerUrls ?? [],
    clientUrls: record.memberAttributes?.clientUrls ?? [],
    isLearner: false,
  };
}

function idKey(id: MemberId): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, id);
  return key;
}

function textKey(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
