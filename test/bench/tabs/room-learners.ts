/**
 * A room at the edge whose tabs are members in this process: the real member of a tab over its real WebSocket, with its
 * storage in memory. Fifty tabs in one browser would measure the browser.
 */
import { toHex } from "../../../src/base/text-codes.ts";
import { Prng } from "../../../src/base/prng.ts";
import { createClient } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import type { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import { peerAddress } from "../../../src/room/common/room-edge.ts";
import { roomMember } from "../../../src/room/member/room-member.ts";
import { tabClock } from "../../../src/room/member/tab-clock.ts";
import { openMemoryStorage, MemoryImage } from "../../../src/storage/memory/memory.ts";
import { newKeyPair, signingKey } from "../../../src/transport/greeting/signing-key.ts";
import { newRoomSecret, roomKeys } from "../../../src/transport/room-secret.ts";
import { SocketDialer } from "../../../src/transport/socket/socket-dialer.ts";
import { hashOfKey } from "../../../src/transport/socket/socket-greeting.ts";
import type { Transport } from "../../../src/transport/transport.ts";
import { clusterKey, type ClusterRecord } from "../../../worker/common/cluster-record.ts";
import { clusterIdOf, memberIdOf } from "../../../worker/common/identity.ts";

/** Frames between the room's object and its learners, of all learners together. */
export interface Traffic {
  toLearners: number;
  bytesToLearners: number;
  fromLearners: number;
  bytesFromLearners: number;
}

interface Learner {
  readonly member: Member;
  readonly client: Client;
}

export class RoomLearners {
  readonly learners: Learner[] = [];
  readonly traffic: Traffic = { toLearners: 0, bytesToLearners: 0, fromLearners: 0, bytesFromLearners: 0 };
  readonly #url: string;
  readonly #record: ClusterRecord;
  readonly #key: string;

  private constructor(url: string, record: ClusterRecord, key: string) {
    this.#url = url;
    this.#record = record;
    this.#key = key;
  }

  static async found(url: string, name: string): Promise<RoomLearners> {
    const { registry: key = "" } = roomKeys(name, newRoomSecret());
    const response = await fetch(`${url}/quorate/clusters/create`, {
      method: "POST",
      body: JSON.stringify({ name, room: toHex(hashOfKey(key)) }),
    });
    if (!response.ok) throw new Error(`no room: ${await response.text()}`);
    return new RoomLearners(url, (await response.json()) as ClusterRecord, key);
  }

  /** Opens learners one after the other until there are so many. */
  async grow(count: number): Promise<void> {
    while (this.learners.length < count) this.learners.push(await this.#open());
  }

  close(): void {
    for (const { member } of this.learners.splice(0)) member.stop();
  }

  async #open(): Promise<Learner> {
    const cluster = clusterKey(this.#record);
    const object = memberIdOf(cluster, 1);
    const memberId = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 1n;
    const identity = { memberId, clusterId: clusterIdOf(cluster), name: "tab" };
    const storage = openMemoryStorage(new MemoryImage());
    const bootstrap = { type: "join" } as const;
    await new Promise<void>((resolve, reject) => {
      bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
    });
    const own = await signingKey(await newKeyPair());
    const edge = { path: `/c/${this.#record.name}/`, objects: [object] };
    const transport = new SocketDialer({
      id: memberId,
      cluster: identity.clusterId,
      credentials: { by: { registryKey: this.#key }, member: own },
      dial: (to) => {
        const address = peerAddress(this.#url, edge, "", to);
        return address === undefined ? undefined : new WebSocket(address);
      },
    });
    const member = roomMember({
      storage,
      transport: this.#counted(transport),
      clock: tabClock,
      prng: new Prng(memberId),
      beginning: { identity, bootstrap },
      key: own.fingerprint,
      isAtEdge: true,
      quotaBackendBytes: 0,
      settings: {},
      outageFacts: () => ({ nowWallMs: Date.now(), aloneSinceWallMs: undefined }),
      onMembership: () => {},
      onStopped: () => {},
    });
    member.start();
    member.dial([object]);
    while (member.unavailable !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    return { member, client: createClient(createServices(member)) };
  }

  #counted(transport: SocketDialer): Transport {
    const { traffic } = this;
    return {
      maxFrameBytes: transport.maxFrameBytes,
      start: (handlers) =>
        transport.start({
          ...handlers,
          onFrame: (from, frame, done) => {
            traffic.toLearners++;
            traffic.bytesToLearners += frame.length;
            handlers.onFrame(from, frame, done);
          },
        }),
      send: (to, frame) => {
        traffic.fromLearners++;
        traffic.bytesFromLearners += frame.length;
        transport.send(to, frame);
      },
      setPeers: (peers) => transport.setPeers(peers),
      isAuthenticated: (peer) => transport.isAuthenticated(peer),
      close: () => transport.close(),
    };
  }
}
