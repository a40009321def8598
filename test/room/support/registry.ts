/** The room's registry as the signalling object keeps it, in this process; it can be cut off, and it can forget. */
import type { MemberId } from "../../../src/protocol/peer/raft-message.ts";
import { RoomError, RoomRefusal } from "../../../src/transport/room.ts";
import type { RoomEdge, RoomInfo, RoomRefusalCode, RoomRegistry } from "../../../src/transport/room.ts";
import { claim, confirm, forget } from "../../../worker/signalling/room-claims.ts";
import type { RoomClaim, RoomClaimSlot } from "../../../worker/signalling/room-claims.ts";

export class FakeRegistry implements RoomRegistry {
  founding: RoomClaim | undefined;
  online: readonly MemberId[] = [];
  /** What each member's key is, as the transport would know it from its greeting. */
  readonly keys: Map<MemberId, Uint8Array> = new Map();
  isReachable = true;
  nowMs = 0;
  /** What it refuses everything for. */
  refusal: RoomRefusalCode | undefined;
  readonly #slot: RoomClaimSlot = {
    get: () => this.founding,
    put: (founding) => {
      this.founding = founding;
    },
    delete: () => {
      this.founding = undefined;
    },
  };

  async claim(member: MemberId, cluster: bigint): Promise<RoomInfo & { readonly founded: boolean }> {
    this.#check();
    const founding = claim(this.#slot, `${cluster}`, `${member}`, this.nowMs);
    return { ...this.#info(), founded: founding.cluster === `${cluster}` && founding.member === `${member}` };
  }

  async confirm(member: MemberId, cluster: bigint): Promise<boolean> {
    this.#check();
    return confirm(this.#slot, `${cluster}`, `${member}`);
  }

  async info(): Promise<RoomInfo> {
    this.#check();
    return this.#info();
  }

  async peers(): Promise<readonly MemberId[]> {
    return this.online;
  }

  async forget(cluster: bigint): Promise<boolean> {
    this.#check();
    return forget(this.#slot, `${cluster}`);
  }

  async prepareObjects(): Promise<RoomEdge> {
    this.#check();
    throw new RoomError("the room answered 501: this worker keeps no list of clusters");
  }

  async look(): Promise<RoomInfo> {
    return this.info();
  }

  async ticket(_peerId: string, token: string): Promise<string> {
    this.#check();
    return token;
  }

  async setGuests(): Promise<void> {
    this.#check();
  }

  #check(): void {
    if (this.refusal !== undefined) throw new RoomRefusal(this.refusal);
    if (!this.isReachable) throw new RoomError("the room could not be asked: no network");
  }

  #info(): RoomInfo {
    const { founding } = this;
    return {
      access: founding === undefined ? "free" : "closed",
      cluster: founding === undefined ? undefined : BigInt(founding.cluster),
      founder: founding === undefined ? undefined : BigInt(founding.member),
      confirmed: founding?.confirmed === true,
      sinceMs: founding?.sinceMs ?? 0,
      members: this.online,
    };
  }
}
