/** What watches real members while they are harmed or upgraded: clients, recorded watches, and their state in the end. */
import { utf8Decode } from "../../src/base/utf8.ts";
import type { ApplicationClient } from "../../src/client/app/application-client.ts";
import { httpServices } from "../../src/client/http/http-services.ts";
import type { WatchResponse } from "../../src/client/common/types.ts";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { type GrpcProxy, startGrpcProxy } from "../../src/grpc/proxy.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { RawClient } from "../grpc/support/raw-client.ts";
import type { Kv } from "./callers.ts";
import type { Event, Log } from "./judge.ts";
import { sleep } from "./nemesis.ts";

const TIMEOUT_MS = 10_000;
/** Ends what hangs: on a busy machine recovery takes long. */
const HEALED_WITHIN_MS = 180_000;

/** A member that runs somewhere: in a process of its own, or as an object. */
export interface MemberUnderTest {
  readonly name: string;
  readonly url: string;
  /** Rejects if the member does not serve. */
  readonly post: (path: string, body: unknown) => Promise<Record<string, unknown>>;
  readonly leads: () => Promise<boolean>;
}

export interface ClusterUnderTest {
  readonly members: readonly MemberUnderTest[];
  readonly leader: () => Promise<MemberUnderTest>;
}

/** A member's two ways in: its own HTTP API, and a gRPC proxy in front of it. */
export class Front {
  readonly http: Kv;
  readonly grpc: Kv;
  readonly #proxy: GrpcProxy;
  readonly #client: RawClient;
  readonly #close: () => void;

  private constructor(http: Kv, proxy: GrpcProxy, close: () => void) {
    this.http = http;
    this.#proxy = proxy;
    this.#close = close;
    this.#client = new RawClient(`127.0.0.1:${proxy.port}`);
    const { kv } = RPCS;
    this.grpc = {
      put: (request) => this.#client.call(kv.put, request),
      range: (request) => this.#client.call(kv.range, request),
      deleteRange: (request) => this.#client.call(kv.deleteRange, request),
      txn: (request) => this.#client.call(kv.txn, request),
    };
  }

  static async before(url: string, token = ""): Promise<Front> {
    const behind = endpointServices({ endpoint: url, timeoutMs: TIMEOUT_MS, token });
    const proxy = await startGrpcProxy({ services: behind, listen: "127.0.0.1:0" });
    const services = httpServices({ endpoint: url, timeoutMs: TIMEOUT_MS, token });
    return new Front(services.kv, proxy, () => behind.close());
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#proxy.close();
    this.#close();
  }
}

/** A watch of all keys from the beginning on, which resumes by itself. */
export class Recorded {
  readonly seen: WatchResponse[] = [];
  readonly #watcher: ReturnType<ApplicationClient["watch"]>;
  #last = 0;

  constructor(client: ApplicationClient) {
    this.#watcher = client.watch("", { prefix: true, startRevision: 2 });
    void this.#record();
  }

  async reaches(revision: number): Promise<void> {
    const untilMs = Date.now() + HEALED_WITHIN_MS;
    while (this.#last < revision) {
      if (Date.now() > untilMs) throw new Error(`a watch stands at revision ${this.#last} of ${revision}`);
      await sleep(50);
    }
  }

  close(): void {
    void this.#watcher.return();
  }

  async #record(): Promise<void> {
    for await (const response of this.#watcher) {
      if (response.events.length === 0) continue;
      this.seen.push(response);
      this.#last = response.events.at(-1)?.kv.modRevision ?? this.#last;
    }
  }
}

/** Waits until all members serve, and returns all that was ever written. */
export async function healed(cluster: ClusterUnderTest, clients: readonly ApplicationClient[]): Promise<Log> {
  for (const member of cluster.members) {
    await served(cluster, member.name, () => member.post("/v3/kv/range", { key: btoa("key0") }));
  }
  return await written(clients[0] as ApplicationClient);
}

/** Returns all that was ever written. */
export async function written(client: ApplicationClient): Promise<Log> {
  const { header } = await client.kv.range("key0");
  const log = new Map<number, Event[]>();
  const watcher = client.watch("", { prefix: true, startRevision: 2 });
  for await (const { events } of watcher) {
    for (const { type, kv } of events) {
      const event = { type, key: utf8Decode(kv.key), value: utf8Decode(kv.value) };
      log.set(kv.modRevision, [...(log.get(kv.modRevision) ?? []), event]);
    }
    if ((events.at(-1)?.kv.modRevision ?? 0) >= header.revision) break;
  }
  return log;
}

/**
 * Returns the response of a request, which is repeated until the cluster has recovered. A cluster that does not recover is
 * a fault, and the error says what each member answers.
 */
export async function served<T>(cluster: ClusterUnderTest, name: string, request: () => Promise<T>): Promise<T> {
  const untilMs = Date.now() + HEALED_WITHIN_MS;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (Date.now() > untilMs) {
        throw new Error(`${name} does not serve long after the last harm: ${(await answers(cluster)).join("; ")}`, {
          cause: error,
        });
      }
    }
    await sleep(100);
  }
}

/** What each member says of itself. */
async function answers(cluster: ClusterUnderTest): Promise<readonly string[]> {
  const asked = cluster.members.map(async (member) => {
    const status = await member.post("/v3/maintenance/status", {}).then(
      (body) => JSON.stringify(body),
      (error: unknown) => String(error),
    );
    return `${member.name} ${status}`;
  });
  return await Promise.all(asked);
}

/** Members hold the same data at one revision. */
export async function differences(cluster: ClusterUnderTest): Promise<readonly string[]> {
  const range = async (member: MemberUnderTest): Promise<Record<string, unknown>> =>
    await served(cluster, member.name, () => member.post("/v3/kv/range", { key: btoa("key0") }));
  const [first] = cluster.members;
  if (first === undefined) return [];
  const { header } = (await range(first)) as { readonly header: { readonly revision: string } };
  const hashes = await Promise.all(
    cluster.members.map(async (member) => {
      await range(member);
      const { hash } = (await served(cluster, member.name, () =>
        member.post("/v3/maintenance/hashkv", { revision: header.revision }),
      )) as { readonly hash: number };
      return hash;
    }),
  );
  return new Set(hashes).size === 1 ? [] : [`members differ at revision ${header.revision}: ${hashes.join(", ")}`];
}
