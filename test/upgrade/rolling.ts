/** The steps of a rolling upgrade, with clients at work throughout. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import { sleep } from "../chaos/nemesis.ts";
import { served } from "../chaos/observers.ts";
import { built, ProcessCluster, type ProcessMemberUnderTest } from "../support/process-cluster.ts";
import { Clients } from "./clients.ts";
import { ObjectCluster, type ObjectMember } from "./object-cluster.ts";
import type { OtherBuild } from "./other-build.ts";
import { type Say, Steps } from "./steps.ts";

const MEMBERS = 3;
/** Members try to connect again and again. */
const NAMED_WITHIN_MS = 30_000;
const FOREIGN_VERSION = PROTOCOL_VERSION + 1;

export interface UpgradeOptions {
  readonly seconds: number;
  readonly seed: number;
}

export interface UpgradeResult {
  readonly wrong: readonly string[];
  readonly summary: string;
}

/** Members in processes of their own. */
export async function upgradeProcesses(
  other: OtherBuild,
  { seconds, seed }: UpgradeOptions,
  say: Say,
): Promise<UpgradeResult> {
  const folder = await mkdtemp(join(tmpdir(), "quorate-rolling-"));
  const cluster = await ProcessCluster.start(folder, MEMBERS, { build: other.build });
  try {
    await cluster.leader();
    const clients = await Clients.of(cluster, seed);
    const during = new Steps(cluster, seconds, say);
    await during.pause(`all members run ${other.commit}`);
    for (const member of cluster.members) {
      await member.stop();
      await member.start(built());
      await during.pause(`${member.name} runs this commit`);
      await during.lead(member);
    }
    const [first, second] = cluster.members as [ProcessMemberUnderTest, ProcessMemberUnderTest];
    await first.stop();
    await first.start(other.build);
    await during.lead(first);
    await during.lead(second);
    await first.stop();
    await first.start(built());
    await during.pause("all members run this commit");
    const wrong = [...(await clients.judged(cluster)), ...(await foreigner(cluster, first, other.foreign, during))];
    return { wrong, summary: clients.summary };
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Objects of one deployment, in one workerd. */
export async function upgradeObjects(
  other: OtherBuild,
  { seconds, seed }: UpgradeOptions,
  say: Say,
): Promise<UpgradeResult> {
  const cluster = await ObjectCluster.start(other.workerFile, MEMBERS);
  try {
    await cluster.leader();
    const clients = await Clients.of(cluster, seed);
    const during = new Steps(cluster, seconds, say);
    await during.pause(`all objects run ${other.commit}`);
    for (const member of cluster.members) {
      await member.deploy("new");
      await during.pause(`the object of ${member.name} runs this commit`);
      await during.lead(member);
    }
    const [first, second] = cluster.members as [ObjectMember, ObjectMember];
    await first.deploy("old");
    await during.lead(first);
    await during.lead(second);
    await first.deploy("new");
    await during.pause("all objects run this commit");
    return { wrong: await clients.judged(cluster), summary: clients.summary };
  } finally {
    await cluster.stop();
  }
}

/** A member that speaks another version takes no part, the others go on, and both sides name both versions. */
async function foreigner(
  cluster: ProcessCluster,
  member: ProcessMemberUnderTest,
  build: ReturnType<typeof built>,
  during: Steps,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  await member.stop();
  await member.start(build);
  const others = cluster.members.filter((one) => one !== member);
  await during.pause(`${member.name} speaks version ${FOREIGN_VERSION} of the protocol`);
  for (const one of others) await served(cluster, one.name, () => one.put("key beside a foreigner", one.name));
  const isNamed = async (url: string, theirs: number, ours: number): Promise<boolean> => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return metrics.includes(`quorate_peer_protocol_version_refused{theirs="${theirs}",ours="${ours}"} 1`);
  };
  const byOthers = async (): Promise<boolean> =>
    (await Promise.all(others.map(({ url }) => isNamed(url, FOREIGN_VERSION, PROTOCOL_VERSION)))).includes(true);
  if (!(await inTime(byOthers))) wrong.push("no member names the version of the one that it cannot read");
  if (!(await inTime(() => isNamed(member.url, PROTOCOL_VERSION, FOREIGN_VERSION)))) {
    wrong.push(`${member.name} does not name the version of the others`);
  }
  await member.stop();
  await member.start(built());
  for (const one of cluster.members) {
    const value = await served(cluster, one.name, () => one.get("key beside a foreigner"));
    if (value !== others.at(-1)?.name) wrong.push(`${one.name} holds ${value ?? "nothing"} after the foreigner`);
  }
  return wrong;
}

async function inTime(isSo: () => Promise<boolean>): Promise<boolean> {
  const untilMs = Date.now() + NAMED_WITHIN_MS;
  while (!(await isSo())) {
    if (Date.now() > untilMs) return false;
    await sleep(200);
  }
  return true;
}
