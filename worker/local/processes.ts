/**
 * `npm start -- --processes N`: the local cluster as N members in processes of their own. Clients find the first one at
 * the usual port, and the others at ports that are kept with the data. A process that ends is started again.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../../src/serve/free-ports.ts";
import { type ServedMember, serveMember } from "../../src/serve/serve-member.ts";
import { DIST, ROOT } from "./build.ts";
import { readDeployed } from "./deployed.ts";

const PEER_HOST = "127.0.0.1";
const RESTART_AFTER_MS = 500;

/** What the members keep from start to start. */
interface Places {
  readonly peerPorts: readonly number[];
  /** Of the second member and of those after it. */
  readonly clientPorts: readonly number[];
  readonly peerToken: string;
}

export interface LocalProcesses {
  /** Stops all members. */
  readonly stop: () => void;
  /** Resolves when all have ended after `stop`. */
  readonly ended: Promise<void>;
  /** URLs for clients, the first member's first. */
  readonly urls: readonly string[];
}

export interface LocalProcessesOptions {
  readonly folder: string;
  readonly count: number;
  readonly host: string;
  readonly port: number;
  readonly isFresh: boolean;
  /** Text bindings of all members. */
  readonly vars: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/** Resolves when all members listen. */
export async function startProcesses(options: LocalProcessesOptions): Promise<LocalProcesses> {
  const { folder, count, host, port, isFresh, vars, say } = options;
  if (isFresh) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const places = await placesIn(folder, count);
  const initial = places.peerPorts.map((peer, at) => `m${at + 1}=http://${PEER_HOST}:${peer}`).join(",");
  const ports = [port, ...places.clientPorts];
  const { compatibilityDate, compatibilityFlags } = readDeployed(ROOT);
  const running: (ServedMember | undefined)[] = [];
  let isStopping = false;

  const serve = (at: number): Promise<ServedMember> =>
    serveMember({
      dataDir: join(folder, `m${at + 1}`),
      clients: { host, port: ports[at] ?? 0 },
      peers: { host: PEER_HOST, port: places.peerPorts[at] ?? 0 },
      built: {
        compatibilityDate,
        compatibilityFlags,
        workerFile: join(DIST, "worker/process.js"),
        assetsFile: join(DIST, "worker/assets.js"),
        pageFolder: join(DIST, "web"),
      },
      vars: {
        ...vars,
        MEMBER_NAME: `m${at + 1}`,
        INITIAL_CLUSTER: initial,
        INITIAL_CLUSTER_STATE: "new",
        INITIAL_CLUSTER_TOKEN: "npm-start",
        ADVERTISE_CLIENT_URLS: urlOf(ports[at] ?? 0),
        PEER_TOKEN: places.peerToken,
      },
    });
  const keep = async (at: number, first: ServedMember): Promise<void> => {
    for (let member = first; ; member = await serve(at)) {
      running[at] = member;
      if (isStopping) member.stop();
      const { code, signal } = await member.ended;
      if (isStopping) return;
      say(`m${at + 1} ended (${signal ?? `exit code ${code ?? "unknown"}`}); it is started again.`);
      await new Promise((resolve) => setTimeout(resolve, RESTART_AFTER_MS));
    }
  };
  const members = await Promise.all(ports.map((_port, at) => serve(at)));
  const kept = members.map((member, at) => keep(at, member));
  await Promise.all(members.map(({ listening }) => listening));
  return {
    stop: () => {
      isStopping = true;
      for (const member of running) member?.stop();
    },
    ended: Promise.all(kept).then(() => undefined),
    urls: ports.map(urlOf),
  };
}

function urlOf(port: number): string {
  return `http://localhost:${port}`;
}

async function placesIn(folder: string, count: number): Promise<Places> {
  const file = join(folder, "places.json");
  if (existsSync(file)) {
    const known = JSON.parse(await readFile(file, "utf8")) as Places;
    if (known.peerPorts.length === count) return known;
    throw new Error(`${folder} has ${known.peerPorts.length} members; start as many, or with --fresh`);
  }
  const ports = await freePorts(PEER_HOST, 2 * count - 1);
  const places: Places = {
    peerPorts: ports.slice(0, count),
    clientPorts: ports.slice(count),
    peerToken: randomBytes(24).toString("base64url"),
  };
  await writeFile(file, JSON.stringify(places), { mode: 0o600 });
  return places;
}
