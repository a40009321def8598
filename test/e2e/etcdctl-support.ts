/**
 * Two clusters of three behind the same etcdctl: an etcd's, and one at the edge with a gRPC front before each member.
 * A step runs through both, and the output of each is compared without ids, ports and sizes.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { EdgeServer } from "../support/edge-server.ts";

const CLI = join(import.meta.dirname, "../../src/cli/main.ts");

/** Mirroring tells of itself after thirty seconds. */
const HANGS_MS = 50_000;

export interface Step {
  /** `$NAME` stands for what an earlier step has kept; `$ANY`, `$LEADER`, `$FOLLOWER` for endpoints, `$DIR` for a folder. */
  readonly args: readonly string[];
  readonly stdin?: string;
  /** It goes on until it has said so many lines, and is interrupted then. */
  readonly lines?: number;
  /** Name and pattern of what later steps need of the output; the pattern's first group. */
  readonly keep?: readonly [string, RegExp];
  /** Where the default is not to be asked: all three endpoints. */
  readonly at?: string;
}

export interface Said {
  readonly args: string;
  readonly code: number | null;
  readonly out: string;
  /** What etcdctl prints at last; the lines before are its log. */
  readonly error: string;
}

export interface Side {
  readonly endpoints: readonly string[];
  readonly vars: Map<string, string>;
  stop(): Promise<void>;
}

/** One step on both sides at once. */
export async function both(etcdctl: string, sides: readonly Side[], step: Step): Promise<readonly Said[]> {
  return Promise.all(sides.map((side) => play(etcdctl, side, step)));
}

async function play(etcdctl: string, side: Side, step: Step): Promise<Said> {
  const filled = step.args.map((arg) => fill(side, arg));
  const at = step.at === undefined ? side.endpoints.join(",") : fill(side, step.at);
  const ended = await run(etcdctl, ["--endpoints", at, ...filled], {
    ...step,
    ...(step.stdin === undefined ? {} : { stdin: fill(side, step.stdin) }),
  });
  if (step.keep !== undefined) {
    const [name, pattern] = step.keep;
    side.vars.set(name, pattern.exec(ended.out)?.[1] ?? `no ${name}`);
  }
  return {
    args: step.args.join(" "),
    code: ended.code,
    out: normal(side, step.args.includes("protobuf") ? ended.out.slice(-9) : ended.out),
    error: normal(side, lastWord(ended.error)),
  };
}

/** Without the log, whose times and addresses are nobody's business. */
function lastWord(error: string): string {
  return error.split("\n").findLast((line) => line !== "" && !line.startsWith("{")) ?? "";
}

/** Asks each endpoint who leads, and keeps `$LEADER` and `$FOLLOWER` with their `$LEADERID` and `$FOLLOWERID`. */
export async function findLeader(etcdctl: string, side: Side): Promise<void> {
  const { out } = await run(etcdctl, ["--endpoints", side.endpoints.join(","), "endpoint", "status", "-w", "json"], {});
  // Ids are too large for JSON.parse.
  const all = JSON.parse(out) as readonly { readonly Endpoint: string }[];
  const ids = [...out.matchAll(/"member_id":(\d+)/gu)].map(([, id]) => BigInt(id ?? 0));
  for (const [at, id] of ids.entries()) {
    const of = all[at];
    const leads = out.split('"Endpoint"')[at + 1]?.includes(`"leader":${id},`) === true;
    side.vars.set(leads ? "LEADER" : "FOLLOWER", of?.Endpoint ?? "");
    side.vars.set(leads ? "LEADERID" : "FOLLOWERID", id.toString(16));
  }
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

async function run(file: string, args: readonly string[], how: Pick<Step, "stdin" | "lines">): Promise<Ended> {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
  let out = "";
  let error = "";
  const { lines } = how;
  child.stdout.on("data", (part: Buffer) => {
    out += part.toString();
    if (lines !== undefined && out.split("\n").length > lines) child.kill("SIGINT");
  });
  child.stderr.on("data", (part: Buffer) => (error += part.toString()));
  const hangs = setTimeout(() => child.kill("SIGKILL"), HANGS_MS);
  // Whoever reads no input may be gone before it is written.
  child.stdin.on("error", () => {});
  if (how.stdin !== undefined) child.stdin.write(how.stdin);
  if (lines === undefined) child.stdin.end();
  await once(child, "close");
  clearTimeout(hangs);
  if (child.signalCode === "SIGKILL") error += "\nit hangs";
  return { code: lines === undefined ? child.exitCode : 0, out, error };
}

function fill({ vars }: Side, text: string): string {
  return text.replace(/\$([A-Z][A-Z0-9]*)/gu, (all, name: string) => vars.get(name) ?? all);
}

function normal({ vars, endpoints }: Side, text: string): string {
  let said = text.replaceAll(vars.get("DIR") ?? "\0", "<dir>");
  for (const endpoint of endpoints) said = said.replaceAll(endpoint, "<endpoint>");
  return said
    .replace(/\b(?:e|edge-)([123])\b(?!\.)/gu, "<name>")
    .replace(/http:\/\/(?:edge-[123]\.quorate:2380|127\.0\.0\.1:\d{4,5})/gu, "<peer>")
    .replace(/(?<=ETCD_INITIAL_CLUSTER=")[^"]*/u, (list) => list.split(",").sort().join(","))
    .replace(/"(dbSize|dbSizeInUse|raftIndex|raftAppliedIndex|raft_term|raftTerm)":\d+/gu, '"$1":0')
    .replace(/"(cluster_id|member_id|leader|ID|MemberID|memberID)" ?: ?\d+/gu, '"$1":0')
    .replace(/"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : \d+/gu, '"$1" : 0')
    .replace(/(true|false), \d+, \d+, \d+/gu, "$1, <term>, <index>, <index>")
    .replace(/\b[0-9a-f]{13,16}\b/gu, "<id>")
    .replace(/\b\d{13,20}\b/gu, "<n>")
    .replace(/[\d.]+ [kMG]?B\b/gu, "<size>")
    .replace(/\b\d+%/gu, "<percent>")
    .replace(/\b[\d.]+[µnm]?s\b/gu, "<time>");
}

/** Ports that were free a moment ago, which etcd's flags need beforehand. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function startEtcd(etcd: string, folder: string): Promise<Side> {
  const ports = await freePorts(6);
  const members = [0, 1, 2].map((at) => ({
    name: `e${at + 1}`,
    client: `http://127.0.0.1:${ports[at]}`,
    peer: `http://127.0.0.1:${ports[at + 3]}`,
  }));
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const children = members.map(({ name, client, peer }) =>
    spawn(
      etcd,
      [
        ...["--name", name, "--data-dir", join(folder, name), "--log-level", "fatal", "--initial-cluster", cluster],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ],
      { stdio: "ignore" },
    ),
  );
  const endpoints = members.map(({ client }) => client.slice("http://".length));
  return { endpoints, vars: await variables(folder, endpoints), stop: () => stopAll(children) };
}

export async function startEdge(folder: string, more: readonly string[] = []): Promise<Side> {
  const edge = await EdgeServer.start(join(folder, "data"));
  const fronts = await Promise.all([1, 2, 3].map((at) => startFront(`${edge.url}/m/${at}`, more)));
  const endpoints = fronts.map(({ address }) => address);
  return {
    endpoints,
    vars: await variables(folder, endpoints),
    async stop() {
      await stopAll(fronts.map(({ child }) => child));
      await edge.stop();
    },
  };
}

/** `quorate grpc` as a child. */
export async function startFront(
  endpoint: string,
  more: readonly string[] = [],
  listen = "127.0.0.1:0",
): Promise<{ readonly child: ChildProcess; readonly address: string }> {
  const child = spawn(process.execPath, [CLI, "grpc", "--endpoint", endpoint, "--listen", listen, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  for await (const part of child.stdout as AsyncIterable<Buffer>) {
    said += part.toString();
    const address = /gRPC at (\S+)/u.exec(said)?.[1];
    if (address !== undefined) return { child, address };
  }
  throw new Error(`the front did not start: ${said}`);
}

export async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    }),
  );
}

async function variables(folder: string, endpoints: readonly string[]): Promise<Map<string, string>> {
  const dir = join(folder, "files");
  await mkdir(dir, { recursive: true });
  return new Map([
    ["DIR", dir],
    ["ANY", endpoints[0] ?? ""],
  ]);
}
