/** One round of chaos: a new cluster of processes, clients of all kinds, harm, then peace and judgement. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Prng } from "../../src/base/prng.ts";
import { connect } from "../../src/client/app/connect.ts";
import { History } from "../sim/history.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { askKv, Caller } from "./callers.ts";
import { judge, judgeWatch } from "./judge.ts";
import { LockHolders } from "./lock-holders.ts";
import { Nemesis, sleep } from "./nemesis.ts";
import { differences, Front, healed, Recorded } from "./observers.ts";
import { PeerProxy } from "./peer-proxy.ts";
import { SmallDisks } from "./small-disks.ts";

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
  const names = Array.from({ length: members }, (_, at) => `m${at + 1}`);
  const disks = await SmallDisks.mount(folder, names);
  if (disks === undefined) say("no disk is filled: this process may not mount one");
  const cluster = await ProcessCluster.start(folder, members, { peerToken: "chaos between members", reached });
  const fronts: Front[] = [];
  try {
    await cluster.leader();
    for (const { url } of cluster.members) fronts.push(await Front.before(url));
    const nemesis = new Nemesis({ cluster, proxies: inOrder(proxies, cluster), disks, prng: prng.fork(), say });
    return await played(cluster, fronts, nemesis, prng, seconds);
  } finally {
    for (const front of fronts) await front.close();
    await cluster.stop();
    for (const proxy of proxies) proxy.close();
    await disks?.unmount();
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
  const overHttp = fronts.map(({ http }) => askKv(http));
  const overGrpc = fronts.map(({ grpc }) => askKv(grpc));
  const callers = [overHttp, overHttp, overGrpc, overGrpc].map(
    (asks, id) => new Caller(id, asks, history, prng.fork()),
  );
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

/** Proxies in the order of the members before whose listeners they stand. */
function inOrder(proxies: readonly PeerProxy[], cluster: ProcessCluster): readonly PeerProxy[] {
  return cluster.members.map(({ peerUrl }) => {
    const proxy = proxies.find(({ port }) => peerUrl.endsWith(`:${port}`));
    if (proxy === undefined) throw new Error(`${peerUrl} has no proxy`);
    return proxy;
  });
}
