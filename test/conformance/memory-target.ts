/** Quorate in this process: members in memory under a clock of their own, behind the JSON gateway. */
import { gatewayApp } from "../../src/gateway/app.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { PLAIN } from "../member/support/auth-kit.ts";
import { Cluster } from "../member/support/cluster.ts";
import { AppTarget } from "./app-target.ts";

/** As large as etcd's, so that no request names a member by chance. */
const FIRST_ID = 1_000_000_007_000_000_007n;
/** Virtual time passes faster than that of a real etcd beside it. */
const TOKEN_TTL_MS = 1_000_000_000;

export async function openMemoryTarget(memberCount: number, seed: number): Promise<AppTarget> {
  const cluster = new Cluster(seed, { authTokenTtlMs: TOKEN_TTL_MS });
  const members = Array.from({ length: memberCount }, (_, at) => memberRecord({ id: FIRST_ID + BigInt(at) }));
  await Promise.all(members.map(({ id }) => cluster.start(id, { type: "found", members })));
  await cluster.elected();
  const nodes = [...cluster.nodes.values()];
  const surroundings = {
    settled: <T>(promise: Promise<T>) => cluster.settled(promise),
    applied: () => allApplied(cluster),
    pause: (ms: number) => cluster.clock.advance(ms),
    changeLeader: () => changeLeader(cluster),
    leader: () => nodes.findIndex(({ member }) => member.status().role === "leader"),
    async stop() {
      for (const { member } of nodes) member.stop();
    },
  };
  return new AppTarget(surroundings, (acceptWebSocket) =>
    nodes.map(({ member }) => gatewayApp(createServices(member, { passwords: PLAIN }), { acceptWebSocket })),
  );
}

/** The leader is cut off until the others have chosen another one, and comes back. */
async function changeLeader(cluster: Cluster): Promise<void> {
  const { nodes, network, clock } = cluster;
  if (nodes.size < 2) throw new Error("a single member leads for ever");
  const { id } = await cluster.elected();
  const others = [...nodes.values()].filter((node) => node.id !== id);
  for (const other of others) network.setLink(id, other.id, false);
  await clock.until(() => others.some(({ member }) => member.status().role === "leader"), "another one leads");
  for (const other of others) network.setLink(id, other.id, true);
  const leaders = (): number => [...nodes.values()].filter(({ member }) => member.status().role === "leader").length;
  await clock.until(() => leaders() === 1, "one leader is left");
  await cluster.elected();
  await allApplied(cluster);
}

async function allApplied({ nodes, clock }: Cluster): Promise<void> {
  if (nodes.size === 1) return;
  await clock.until(() => {
    const applied = [...nodes.values()].map(({ member }) => member.applied);
    return Math.min(...applied) === Math.max(...applied);
  }, "all members have applied it");
}
