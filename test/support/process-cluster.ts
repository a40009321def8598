/** Members in processes of their own, as `quorate serve` runs them, from what `npm run build` left. */
import { join } from "node:path";
import type { BuiltWorker } from "../../src/serve/built-worker.ts";
import { freePorts } from "../../src/serve/free-ports.ts";
import type { Certificate, Listener } from "../../src/serve/member-config.ts";
import { type ServedMember, serveMember } from "../../src/serve/serve-member.ts";
import { readDeployed } from "../../worker/local/deployed.ts";

const ROOT = join(import.meta.dirname, "../..");
const HOST = "127.0.0.1";
/** Of all clusters here. */
export const CLUSTER_TOKEN = "test";

export interface ProcessClusterOptions {
  readonly peerToken?: string;
  /** Members prove themselves by certificates of this authority. */
  readonly peerTls?: { readonly certificate: Certificate; readonly ca: string };
  /** Bindings of all members. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Maps the port at which a member listens for the others to the one at which they find it. Default: the same. */
  readonly reached?: (port: number) => Promise<number>;
  /** What the members run at first. Default: what `npm run build` left. */
  readonly build?: BuiltWorker;
}

export class ProcessMemberUnderTest {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  readonly #folder: string;
  readonly #clients: Listener;
  readonly #peers: Listener;
  readonly #vars: Readonly<Record<string, string>>;
  #build: BuiltWorker = built();
  #served: ServedMember | undefined;

  constructor(name: string, folder: string, clients: Listener, peers: Listener, peerUrl: string, vars: object) {
    this.name = name;
    this.#folder = folder;
    this.#clients = clients;
    this.#peers = peers;
    this.peerUrl = peerUrl;
    this.#vars = { ...vars };
    this.url = `http://${HOST}:${clients.port}`;
  }

  get peerListener(): Listener {
    return this.#peers;
  }

  /** With another build than the last time, if one is given. */
  async start(build?: BuiltWorker): Promise<void> {
    this.#build = build ?? this.#build;
    this.#served = await serveMember({
      dataDir: join(this.#folder, this.name),
      clients: this.#clients,
      peers: this.#peers,
      built: this.#build,
      vars: this.#vars,
    });
    await this.#served.listening;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#served !== undefined) process.kill(this.#served.pid, signal);
  }

  /** Nothing is flushed, no connection is closed. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#served?.ended;
    this.#served = undefined;
  }

  async stop(): Promise<void> {
    // A stopped process takes no other signal.
    this.signal("SIGCONT");
    this.#served?.stop();
    await this.#served?.ended;
    this.#served = undefined;
  }

  /** Rejects if the member does not serve. */
  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async put(key: string, value: string): Promise<void> {
    await this.post("/v3/kv/put", { key: btoa(key), value: btoa(value) });
  }

  async get(key: string): Promise<string | undefined> {
    const { kvs } = (await this.post("/v3/kv/range", { key: btoa(key) })) as { kvs?: { value: string }[] };
    return kvs?.[0] === undefined ? undefined : atob(kvs[0].value);
  }

  async leads(): Promise<boolean> {
    const { leader, header } = (await this.post("/v3/maintenance/status", {})) as {
      leader?: string;
      header: { member_id: string };
    };
    return leader === header.member_id;
  }
}

export class ProcessCluster {
  readonly members: ProcessMemberUnderTest[] = [];
  readonly #folder: string;
  readonly #options: ProcessClusterOptions;

  private constructor(folder: string, options: ProcessClusterOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(folder: string, count: number, options: ProcessClusterOptions = {}): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(folder, options);
    const places = await Promise.all(Array.from({ length: count }, () => cluster.#place()));
    const initial = places.map(({ peerUrl }, at) => `m${at + 1}=${peerUrl}`).join(",");
    for (const place of places) cluster.members.push(cluster.#member(place, initial, "new"));
    await Promise.all(cluster.members.map((member) => member.start(options.build)));
    return cluster;
  }

  /** Prepares a member that joins. The caller adds it to the cluster and starts it. */
  async newcomer(): Promise<ProcessMemberUnderTest> {
    const place = await this.#place();
    const known = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`);
    const initial = [...known, `m${this.members.length + 1}=${place.peerUrl}`].join(",");
    const member = this.#member(place, initial, "existing");
    this.members.push(member);
    return member;
  }

  async leader(): Promise<ProcessMemberUnderTest> {
    for (;;) {
      for (const member of this.members) if (await member.leads().catch(() => false)) return member;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  #member(place: Place, initial: string, state: string): ProcessMemberUnderTest {
    const name = `m${this.members.length + 1}`;
    const { peerToken, vars } = this.#options;
    return new ProcessMemberUnderTest(name, this.#folder, place.clients, place.peers, place.peerUrl, {
      MEMBER_NAME: name,
      INITIAL_CLUSTER: initial,
      INITIAL_CLUSTER_STATE: state,
      INITIAL_CLUSTER_TOKEN: CLUSTER_TOKEN,
      ADVERTISE_CLIENT_URLS: `http://${HOST}:${place.clients.port}`,
      OPEN: "true",
      ...(peerToken === undefined ? {} : { PEER_TOKEN: peerToken }),
      ...vars,
    });
  }

  async #place(): Promise<Place> {
    const { peerTls, reached } = this.#options;
    const [clientPort = 0, peerPort = 0] = await freePorts(HOST, 2);
    const tls = peerTls === undefined ? {} : { certificate: peerTls.certificate, clientCa: peerTls.ca };
    const seen = (await reached?.(peerPort)) ?? peerPort;
    return {
      clients: { host: HOST, port: clientPort },
      peers: { host: HOST, port: peerPort, ...tls },
      peerUrl: peerTls === undefined ? `http://${HOST}:${seen}` : `https://localhost:${seen}`,
    };
  }
}

interface Place {
  readonly clients: Listener;
  readonly peers: Listener;
  readonly peerUrl: string;
}

/** What `npm run build` left in a checkout of the repository. */
export function built(root: string = ROOT): BuiltWorker {
  const { compatibilityDate, compatibilityFlags } = readDeployed(root);
  return {
    compatibilityDate,
    compatibilityFlags,
    workerFile: join(root, "dist/worker/process.js"),
    assetsFile: join(root, "dist/worker/assets.js"),
    pageFolder: join(root, "dist/web"),
  };
}
