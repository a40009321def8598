/**
 * Has the key of this member written into the log, if it is not there: of the founder of a room, of a room's only member
 * after a recovery, and of a member from before there were keys. A newcomer's key is written with its admission.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { encode } from "../../protocol/codec/proto-codec.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { memberChange, memberChangeSchema } from "../../protocol/peer/member-change-schema.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import { keyOf } from "./member-keys.ts";
import type { Membership } from "./membership.ts";

const EVERY_TICKS = 5;

export interface OwnKeyHost {
  readonly id: MemberId;
  readonly name: string;
  /** The fingerprint; undefined if this member has no key. */
  readonly key: Uint8Array | undefined;
  readonly membership: () => Membership;
  /** 0 if none is known. */
  readonly leader: () => MemberId;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly change: (type: ConfChangeType, id: MemberId, context: Uint8Array) => void;
}

export class OwnKey {
  readonly #host: OwnKeyHost;
  #ticks = 0;

  constructor(host: OwnKeyHost) {
    this.#host = host;
  }

  tick(): void {
    const { id, name, key, membership, leader, send, change } = this.#host;
    if (key === undefined || this.#ticks++ % EVERY_TICKS !== 0 || leader() === 0n) return;
    if (!membership().has(id) || keyOf(membership().keys, id) !== undefined) return;
    if (leader() === id) change("update-node", id, keyChange(id, key));
    else send(leader(), { type: "join", memberId: id, name, key: EMPTY_BYTES, invitation: EMPTY_BYTES });
  }
}

/** The context of a change that binds a key to a member, and changes nothing else. */
export function keyChange(id: MemberId, key: Uint8Array): Uint8Array {
  return encode(memberChangeSchema, memberChange({ id, key }));
}
