/** One round of chaos: a new cluster of processes, clients of all kinds, harm, then peace and judgement. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Prng } from "../../src/base/prng.ts";
import { utf8Decode } from "../../src/base/utf8.ts";
import { connect } from "../../src/client/app/connect.ts";
import type { ApplicationClient } from "../../src/client/app/application-client.ts";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { type GrpcProxy, startGrpcProxy } from "../../src/grpc/proxy.ts";
import { httpServices } from "../../src/client/http/http-services.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import type { WatchResponse } from "../../src/client/common/types.ts";
import { RawClient } from "../grpc/support/raw-client.ts";
import { History } from "../sim/history.ts";
import { ProcessCluster, type ProcessMemberUnderTest } from "../support/process-cluster.ts";
import { Caller, type Kv } from "./callers.ts";
import { type Event, judge, judgeWatch, type Log } from "./judge.ts";
import { LockHolders } from "./lock-holders.ts";
import { Nemesis, sleep } from "./nemesis.ts";
import { PeerProxy } from "./peer-proxy.ts";

const TIMEOUT_MS = 10_000;
/** Ends what hangs: on a busy machine recovery takes long. */
const HEALED_WITHIN_MS = 180_000;

export interface RoundOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly members: number;
  readonly say: (line: string) => void;
}

export interface RoundResult {
  readonly harms: ReadonlyMap<string, number>;
  readonly calls: number;
  readonly answered: number;
  readonly revisions: number;
  readonly locksHeld: number;
  readonly watched: number;
  /** Empty if all is well. */
  readonly wrong: readonly string[];
}

export async function round({ seed, seconds, members, say }: RoundOptions): Promise<RoundResult> {
  const prng = new Prng(seed);
  const folder = await mkdtemp(join(tmpdir(), "quorate-chaos-"));
  const proxies: PeerProxy[] = [];
  const chance = prng.fork();
  const reached = async (port: number): Promise<number> => {
    const proxy = await PeerProxy.before(port, () => chance.next());
    proxies.push(proxy);
    return proxy.port;
  };
  const cluster = await ProcessCluster.start(folder, members, { peerToken: "chaos between members", reached });
  const fronts: Front[] = [];
  try {
    await cluster.leader();
    for (const { url } of cluster.members) fronts.push(await Front.before(url));
    return await played(
      cluster,
      fronts,
      new Nemesis(cluster, inOrder(proxies, cluster), prng.fork(), say),
      prng,
      seconds,
    );
  } finally {
    for (const front of fronts) await front.close();
    await cluster.stop();
    for (const proxy of proxies) proxy.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function played(
  cluster: ProcessCluster,
  fronts: readonly Front[],
  nemesis: Nemesis,
  prng: Prng,
  seconds: number,
): Promise<RoundResult> {
  const history = new History();
  const overHttp = fronts.map(({ http }) => http);
  const overGrpc = fronts.map(({ grpc }) => grpc);
  const callers = [overHttp, overHttp, overGrpc, overGrpc].map((kvs, id) => new Caller(id, kvs, history, prng.fork()));
  const clients = cluster.members.map(({ url }) => connect({ endpoint: url }));
  const holders = new LockHolders(clients);
  const watches = clients.map((client) => new Recorded(client));
  const running = [...callers.map((caller) => caller.run()), holders.run()];
  const untilMs = Date.now() + seconds * 1_000;
  while (Date.now() < untilMs) {
    await sleep(prng.int(200, 2_500));
    await nemesis.harm();
  }
  for (const caller of callers) caller.stop();
  holders.stop();
  await Promise.all(running);
  const log = await healed(cluster, clients);
  const last = Math.max(...log.keys());
  await Promise.all(watches.map((watch) => watch.reaches(last)));
  const wrong = [...holders.violations, ...judge(history, log)];
  for (const [at, watch] of watches.entries()) wrong.push(...judgeWatch(`the watch at m${at + 1}`, watch.seen, log));
  wrong.push(...(await differences(cluster)));
  for (const watch of watches) watch.close();
  await Promise.all(clients.map((client) => client.close()));
  return {
    harms: nemesis.counts,
    calls: history.calls.length,
    answered: history.calls.filter(({ result }) => result !== undefined).length,
    revisions: last,
    locksHeld: holders.held,
    watched: watches.reduce((sum, { seen }) => sum + seen.length, 0),
    wrong,
  };
}

/** A member's two ways in: its own HTTP API, and a gRPC proxy in front of it. */
class Front {
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

  static async before(url: string): Promise<Front> {
    const behind = endpointServices({ endpoint: url, timeoutMs: TIMEOUT_MS });
    const proxy = await startGrpcProxy({ services: behind, listen: "127.0.0.1:0" });
    const services = httpServices({ endpoint: url, timeoutMs: TIMEOUT_MS });
    return new Front(services.kv, proxy, () => behind.close());
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#proxy.close();
    this.#close();
  }
}

/** A watch of all keys from the beginning on, which resumes by itself. */
class Recorded {
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
async function healed(cluster: ProcessCluster, clients: readonly ApplicationClient[]): Promise<Log> {
  for (const member of cluster.members) {
    await served(cluster, member.name, () => member.post("/v3/kv/range", { key: btoa("key0") }));
  }
  const client = clients[0] as ApplicationClient;
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
async function served<T>(cluster: ProcessCluster, name: string, request: () => Promise<T>): Promise<T> {
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
async function answers(cluster: ProcessCluster): Promise<readonly string[]> {
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
async function differences(cluster: ProcessCluster): Promise<readonly string[]> {
  const range = async (member: ProcessMemberUnderTest): Promise<Record<string, unknown>> =>
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

/** Proxies in the order of the members before whose listeners they stand. */
function inOrder(proxies: readonly PeerProxy[], cluster: ProcessCluster): readonly PeerProxy[] {
  return cluster.members.map(({ peerUrl }) => {
    const proxy = proxies.find(({ port }) => peerUrl.endsWith(`:${port}`));
    if (proxy === undefined) throw new Error(`${peerUrl} has no proxy`);
    return proxy;
  });
}
