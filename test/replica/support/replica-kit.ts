/** Pages with a replica of a real member, over a network that can be cut. Runs in every runtime. */
import { SYSTEM_BACKOFF } from "../../../src/client/common/backoff.ts";
import type { BackoffTimer } from "../../../src/client/common/backoff.ts";
import { createClient } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { clientServices } from "../../../src/client/common/client-services.ts";
import type { User } from "../../../src/client/facade/authenticated.ts";
import { lazyUser } from "../../../src/client/facade/lazy-user.ts";
import type { Services, WatchStream } from "../../../src/member/api/services.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import type { RangeRequest } from "../../../src/protocol/api/kv.ts";
import { checkedPrefixes } from "../../../src/replica/copy/prefixes.ts";
import { replicaClient } from "../../../src/replica/replica-client.ts";
import type { ReplicaClient } from "../../../src/replica/replica-types.ts";
import type { ReplicaStore } from "../../../src/replica/store/replica-store.ts";
import { startMember } from "../../client/support/own-member.ts";

/** Waits are short, and those for a minute too. */
const HASTY: BackoffTimer = {
  random: Math.random,
  sleep: (milliseconds, signal) => SYSTEM_BACKOFF.sleep(Math.min(milliseconds, 20), signal),
};

export const ROOT: User = { name: "root", password: "secret" };
export const ANN: User = { name: "ann", password: "hers" };

export class World {
  services: Services;
  isReachable = true;
  /** A stream carries one watch and tells no progress, as over plain HTTP. */
  isHalfDuplex = false;
  /** Ranges that reached the cluster, and watches that were opened there. */
  ranges: RangeRequest[] = [];
  watches = 0;
  readonly #members: { stop(): void }[] = [];
  readonly #streams: Set<WatchStream> = new Set();
  readonly #clients: { close(): unknown }[] = [];

  static async begin(): Promise<World> {
    const { member, services } = await startMember();
    const world = new World(services);
    world.#members.push(member);
    return world;
  }

  private constructor(services: Services) {
    this.services = services;
  }

  /** Another cluster answers from now on, at the same address. */
  async becomesAnother(clusterId?: bigint): Promise<void> {
    const { member, services } = await startMember(clusterId);
    this.#members.push(member);
    this.services = services;
    this.breakStreams();
  }

  /** A client of the cluster itself. */
  client(user?: User): Client {
    const client = createClient(this.services, { user });
    this.#clients.push(client);
    return client;
  }

  replica(
    prefixes: readonly string[],
    open: () => ReplicaStore,
    set: { user?: User; maxBytes?: number } = {},
  ): ReplicaClient {
    const encoder = new TextEncoder();
    const asked = clientServices(this.#network());
    const replica = replicaClient({
      remote: set.user === undefined ? asked : lazyUser(asked, set.user),
      prefixes: checkedPrefixes(prefixes.map((prefix) => encoder.encode(prefix))),
      sizeBytesMax: set.maxBytes ?? 1_000_000,
      requireLeader: false,
      place: "test",
      openStore: async () => open(),
      backoff: HASTY,
      outbox: undefined,
      onClose: () => {},
      signal: undefined,
    });
    this.#clients.push(replica);
    return replica;
  }

  cut(): void {
    this.isReachable = false;
    this.breakStreams();
  }

  breakStreams(): void {
    for (const stream of [...this.#streams]) stream.close();
  }

  /** Users `root`, who may everything, and `ann`, who may read "a/" and "b/". */
  async withUsers(): Promise<Client> {
    const { auth } = createClient(this.services);
    for (const { name, password } of [ROOT, ANN]) await auth.addUser(name, { password });
    await auth.addRole("root");
    await auth.grantRole("root", "root");
    await auth.addRole("reader");
    await auth.grantRole("ann", "reader");
    for (const prefix of ["a/", "b/"]) await auth.grantPermission("reader", "read", prefix, { prefix: true });
    await auth.enable();
    return this.client(ROOT);
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const member of this.#members) member.stop();
  }

  #network(): Services {
    const away = (): EtcdError => new EtcdError(GrpcCode.Unavailable, "nobody answers");
    const gated = (name: keyof Services): object =>
      new Proxy(
        {},
        {
          get: (_, method) => {
            if (method === "then") return undefined;
            return async (...given: readonly unknown[]): Promise<unknown> => {
              if (!this.isReachable) throw away();
              const service = this.services[name] as unknown as Record<string, (...all: readonly unknown[]) => unknown>;
              if (name === "kv" && method === "range") this.ranges.push(given[0] as RangeRequest);
              return service[method as string]?.(...given);
            };
          },
        },
      );
    const watch: Services["watch"] = {
      watch: (context) => {
        if (!this.isReachable) throw away();
        this.watches++;
        const opened = this.services.watch.watch(context);
        const stream = this.isHalfDuplex ? halfDuplex(opened) : opened;
        this.#streams.add(stream);
        return stream;
      },
    };
    const names = ["kv", "lease", "lock", "election", "auth", "cluster", "maintenance", "health", "inspect"] as const;
    return { ...(Object.fromEntries(names.map((name) => [name, gated(name)])) as unknown as Services), watch };
  }
}

/** As HttpWatchStream. */
function halfDuplex(stream: WatchStream): WatchStream {
  let requests = 0;
  return {
    request(request) {
      if (request.type === "progress" || requests++ > 0) throw new EtcdError(GrpcCode.Unimplemented, "over plain HTTP");
      stream.request(request);
    },
    next: () => stream.next(),
    close: () => stream.close(),
  };
}
