/** The objects of the other members, as one member calls them. */
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { clusterSize, type Env, locationOptions, locationsOf } from "../common/env.ts";
import { objectNameOf } from "../common/identity.ts";
import type { MemberRpc } from "../common/member-rpc.ts";

export class PeerObjects {
  readonly #env: Env;
  readonly #numberOf: (id: MemberId) => number | undefined;
  readonly #stubs: Map<number, DurableObjectStub<MemberRpc>> = new Map();

  constructor(env: Env, numberOf: (id: MemberId) => number | undefined) {
    this.#env = env;
    this.#numberOf = numberOf;
  }

  /** Sends frames to a member and returns its own. Rejects if it refuses them or cannot be reached. */
  async post(to: MemberId, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const number = this.#numberOf(to);
    if (number === undefined) throw new Error("a member of another cluster");
    try {
      const response = await this.stub(number).raft(body);
      if (response.type === "refused") throw new Error(`member ${number} refused frames: ${response.reason}`);
      return response.batch;
    } catch (error) {
      // A stub is unusable after its object broke.
      this.#stubs.delete(number);
      throw error;
    }
  }

  /** Loads the members that founded the cluster. Those that cannot be reached are asked again by frames, as all others. */
  wakeFounders(own: number): void {
    for (let number = 1; number <= clusterSize(this.#env); number++) {
      if (number !== own) this.stub(number).wake().catch(ignore);
    }
  }

  stub(number: number): DurableObjectStub<MemberRpc> {
    const known = this.#stubs.get(number);
    if (known !== undefined) return known;
    const { MEMBERS, CLUSTER_NAME } = this.#env;
    const options = locationOptions(locationsOf(this.#env), number);
    const stub = MEMBERS.get(MEMBERS.idFromName(objectNameOf(CLUSTER_NAME, number)), options);
    this.#stubs.set(number, stub);
    return stub;
  }
}

function ignore(): void {}
