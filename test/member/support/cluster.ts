/** Real members in one process: memory storage, memory network, a virtual clock. */
import { Prng } from "../../../src/base/prng.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { BootstrapOptions, MemberOptions } from "../../../src/member/options.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import type { PeerProof } from "../../../src/transport/greeting/handshake.ts";
import { MemoryNetwork } from "../../../src/transport/memory.ts";
import type { Transport } from "../../../src/transport/transport.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const CLUSTER_ID = 7n;
export const CALL: CallContext = { token: "", requireLeader: false };

export interface Node {
  readonly id: bigint;
  readonly member: Member;
  readonly services: Services;
  readonly storage: MemoryStorage;
}

export type NodeOptions = Partial<Omit<MemberOptions, "storage" | "transport" | "clock" | "prng" | "identity">>;

export class Cluster {
  readonly clock: VirtualClock = new VirtualClock();
  /** Peers that the transport has not authenticated. */
  readonly strangers: Set<bigint> = new Set();
  /** What a peer's transport has proof of, beside that. */
  readonly proofs: Map<bigint, Partial<PeerProof>> = new Map();
  readonly network: MemoryNetwork = new MemoryNetwork({
    isAuthenticated: (peer) => !this.strangers.has(peer),
    proofOf: (peer) => ({
      ...{ key: undefined, knowsSecret: !this.strangers.has(peer), invitation: undefined, isHost: false },
      ...this.proofs.get(peer),
    }),
  });
  /** The source of the members' transports. */
  transports: { readonly transportFor: (id: bigint) => Transport } = this.network;
  readonly nodes: Map<bigint, Node> = new Map();
  readonly #prng: Prng;
  readonly #options: NodeOptions;

  constructor(seed: number, options: NodeOptions = {}) {
    this.#prng = new Prng(seed);
    this.#options = options;
  }

  /** Starts the initial members 1..count. */
  static async founded(count: number, options: NodeOptions = {}, seed = 1): Promise<Cluster> {
    const cluster = new Cluster(seed, options);
    await cluster.found(count);
    return cluster;
  }

  async found(count: number): Promise<void> {
    const members = Array.from({ length: count }, (_, at) => memberRecord({ id: BigInt(at + 1), name: `m${at + 1}` }));
    await Promise.all(members.map((record) => this.start(record.id, { type: "found", members })));
  }

  async start(
    id: bigint,
    bootstrap: BootstrapOptions,
    image?: MemoryImage,
    options: NodeOptions = {},
    name = `m${id}`,
  ): Promise<Node> {
    const storage = new MemoryStorage(image === undefined ? {} : { image });
    const identity = { clusterId: CLUSTER_ID, memberId: id, name };
    await new Promise<void>((resolve, reject) => {
      bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
    });
    const member = new Member({
      admission: "authenticated",
      ...this.#options,
      ...options,
      storage,
      transport: this.transports.transportFor(id),
      clock: this.clock,
      prng: this.#prng.fork(),
      identity,
      bootstrap,
    });
    const node = { id, member, services: createServices(member), storage };
    this.nodes.set(id, node);
    member.start();
    return node;
  }

  /** Stops without a goodbye and returns the durable image. */
  crash(id: bigint): MemoryImage {
    const node = this.node(id);
    this.nodes.delete(id);
    node.member.stop();
    return node.storage.crash();
  }

  node(id: bigint): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no member ${id}`);
    return node;
  }

  get leader(): Node | undefined {
    return [...this.nodes.values()].find(({ member }) => member.status().role === "leader");
  }

  async elected(): Promise<Node> {
    await this.clock.until(() => {
      const leader = this.leader;
      return leader !== undefined && leader.member.applied === leader.member.status().lastIndex;
    }, "a leader is elected");
    return this.leader as Node;
  }

  /** Returns the promise's value, moving the clock until it settles. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const ended = promise.finally(() => {
      over = true;
    });
    ended.catch(() => {});
    await this.clock.until(() => over, "the call has ended");
    return ended;
  }
}
