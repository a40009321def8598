/**
 * Publishes this member's attributes through the log, as etcd does at a member's start: its name, which marks it as
 * started, and its client URLs.
 */
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Membership } from "./membership.ts";

/** Retry interval while the published attributes differ from this member's. */
const AGAIN_EVERY_TICKS = 20;

export interface AttributesHost {
  readonly id: MemberId;
  readonly name: string;
  readonly membership: () => Membership;
  readonly leader: () => MemberId;
  readonly write: (request: InternalRequest, done: () => void) => void;
}

export class Attributes {
  readonly #host: AttributesHost;
  /** Undefined if they are unknown; the published ones then stay. */
  readonly #clientUrls: readonly string[] | undefined;
  #isWriting = false;
  #ticks = 0;

  constructor(host: AttributesHost, clientUrls: readonly string[] | undefined) {
    this.#host = host;
    this.#clientUrls = clientUrls;
  }

  tick(): void {
    this.#ticks += 1;
    if (this.#ticks % AGAIN_EVERY_TICKS === 0) this.publish();
  }

  /**
   * Publishes the attributes if they differ from the published ones. Waits for a leader, because without one the write
   * would only be pending.
   */
  publish(): void {
    const { id, name, membership, leader, write } = this.#host;
    const known = membership().get(id);
    if (known === undefined || this.#isWriting || leader() === 0n) return;
    const clientUrls = this.#clientUrls ?? known.clientUrls;
    if (known.name === name && known.clientUrls.join() === clientUrls.join()) return;
    this.#isWriting = true;
    const clusterMemberAttrSet = { memberId: id, memberAttributes: { name, clientUrls } };
    write({ type: "clusterMemberAttrSet", clusterMemberAttrSet }, () => {
      this.#isWriting = false;
    });
  }
}
