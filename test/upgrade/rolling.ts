/** The steps of a rolling upgrade, with clients at work throughout. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Prng } from "../../src/base/prng.ts";
import { connect } from "../../src/client/app/connect.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import { Caller } from "../chaos/callers.ts";
import { judge, judgeWatch } from "../chaos/judge.ts";
import { sleep } from "../chaos/nemesis.ts";
import { differences, Front, healed, Recorded, served } from "../chaos/observers.ts";
import { History } from "../sim/history.ts";
import { built, ProcessCluster, type ProcessMemberUnderTest } from "../support/process-cluster.ts";
import { buildOther } from "./other-build.ts";

const MEMBERS = 3;
const COMMITS_BACK = 20;
const FOREIGN_VERSION = PROTOCOL_VERSION + 1;
const MOVED_WITHIN_MS = 30_000;

export interface UpgradeOptions {
  /** Undefined: some commits back. */
  readonly from: string | undefined;
  readonly seconds: number;
  readonly seed: number;
}

export interface UpgradeResult {
  readonly wrong: readonly string[];
  readonly summary: string;
}

type Say = (line: string) => void;

export async function upgrade({ from, seconds, seed }: UpgradeOptions, say: Say): Promise<UpgradeResult> {
  const ref = from ?? (await someCommitsBack());
  const other = await buildOther(ref, FOREIGN_VERSION);
  const folder = await mkdtemp(join(tmpdir(), "quorate-rolling-"));
  say(`${other.commit} is built`);
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
    await other.remove();
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
  const named = await Promise.all(others.map(({ url }) => isNamed(url, FOREIGN_VERSION, PROTOCOL_VERSION)));
  if (!named.includes(true)) wrong.push("no member names the version of the one that it cannot read");
  if (!(await isNamed(member.url, PROTOCOL_VERSION, FOREIGN_VERSION))) {
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

class Steps {
  readonly say: Say;
  readonly #cluster: ProcessCluster;
  readonly #seconds: number;

  constructor(cluster: ProcessCluster, seconds: number, say: Say) {
    this.#cluster = cluster;
    this.#seconds = seconds;
    this.say = say;
  }

  async pause(what: string): Promise<void> {
    this.say(what);
    await sleep(this.#seconds * 1_000);
  }

  /** Moves the lead there and stays a while. */
  async lead(member: ProcessMemberUnderTest): Promise<void> {
    const untilMs = Date.now() + MOVED_WITHIN_MS;
    while (!(await member.leads().catch(() => false))) {
      if (Date.now() > untilMs) throw new Error(`${member.name} does not lead`);
      const leader = await this.#cluster.leader();
      const { header } = (await member.post("/v3/maintenance/status", {}).catch(() => ({ header: undefined }))) as {
        header?: { member_id: string };
      };
      if (leader !== member && header !== undefined) {
        await leader.post("/v3/maintenance/transfer-leadership", { targetID: header.member_id }).catch(() => {});
      }
      await sleep(200);
    }
    await this.pause(`${member.name} leads`);
  }
}

/** Callers by HTTP and gRPC at all members, and a watch at each. */
class Clients {
  readonly #history = new History();
  readonly #fronts: readonly Front[];
  readonly #callers: readonly Caller[];
  readonly #running: readonly Promise<void>[];
  readonly #clients: readonly ReturnType<typeof connect>[];
  readonly #watches: readonly Recorded[];
  #revisions = 0;

  private constructor(fronts: readonly Front[], urls: readonly string[], seed: number) {
    const prng = new Prng(seed);
    this.#fronts = fronts;
    const [http, grpc] = [fronts.map((front) => front.http), fronts.map((front) => front.grpc)];
    this.#callers = [http, http, grpc, grpc].map((kvs, id) => new Caller(id, kvs, this.#history, prng.fork()));
    this.#clients = urls.map((url) => connect({ endpoint: url }));
    this.#watches = this.#clients.map((client) => new Recorded(client));
    this.#running = this.#callers.map((caller) => caller.run());
  }

  static async of({ members }: ProcessCluster, seed: number): Promise<Clients> {
    const urls = members.map(({ url }) => url);
    return new Clients(await Promise.all(urls.map((url) => Front.before(url))), urls, seed);
  }

  /** Ends them. Returns what is wrong. */
  async judged(cluster: ProcessCluster): Promise<readonly string[]> {
    for (const caller of this.#callers) caller.stop();
    await Promise.all(this.#running);
    const log = await healed(cluster, this.#clients);
    this.#revisions = Math.max(...log.keys());
    await Promise.all(this.#watches.map((watch) => watch.reaches(this.#revisions)));
    const wrong = [...judge(this.#history, log)];
    for (const [at, { seen }] of this.#watches.entries())
      wrong.push(...judgeWatch(`the watch at m${at + 1}`, seen, log));
    wrong.push(...(await differences(cluster)));
    for (const watch of this.#watches) watch.close();
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const front of this.#fronts) await front.close();
    return wrong;
  }

  get summary(): string {
    const { calls } = this.#history;
    const answered = calls.filter(({ result }) => result !== undefined).length;
    const seen = this.#watches.reduce((sum, watch) => sum + watch.seen.length, 0);
    return `${answered} of ${calls.length} calls answered, ${this.#revisions} revisions, ${seen} responses of watches`;
  }
}

/** The oldest commit that is there, where there are not so many. */
async function someCommitsBack(): Promise<string> {
  const { stdout } = await promisify(execFile)("git", ["rev-list", "--first-parent", `-n${COMMITS_BACK + 1}`, "HEAD"]);
  const oldest = stdout.trim().split("\n").at(-1);
  if (oldest === undefined) throw new Error("this checkout has no history");
  return oldest;
}
