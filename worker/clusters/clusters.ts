/**
 * The clusters that an isolate knows: each with its own environment and balancer, so that nothing of one is used for
 * another. A name is looked up in the registry once. What a cluster's members say of its deletion ends that.
 */
import { Balancer } from "../calls/balancer.ts";
import { clusterEnv } from "../common/cluster-env.ts";
import { type ClusterRecord, isClusterName } from "../common/cluster-record.ts";
import type { Env } from "../common/env.ts";
import { REGISTRY_NAME } from "../common/registry-rpc.ts";
import { type AllowedNames, allowedNames } from "./allowed-names.ts";

export interface Cluster {
  readonly name: string;
  readonly env: Env;
  readonly balancer: Balancer;
}

/** Why there is no such cluster. */
export interface NoCluster {
  readonly missing: string;
}

/** The least recently used is forgotten first. */
const KNOWN_MAX = 1_000;

export class Clusters {
  /** The cluster of CLUSTER_NAME. */
  readonly first: Cluster;
  readonly #env: Env;
  readonly #allowed: AllowedNames;
  readonly #known: Map<string, Cluster> = new Map();

  /** Throws if a setting cannot be parsed. */
  constructor(env: Env) {
    this.#env = env;
    this.#allowed = allowedNames(env.CLUSTERS ?? "*");
    this.first = { name: env.CLUSTER_NAME, env, balancer: new Balancer(env) };
  }

  async find(name: string): Promise<Cluster | NoCluster> {
    if (name === this.#env.CLUSTER_NAME) return this.first;
    const known = this.#known.get(name);
    if (known !== undefined) return this.#remember(name, known);
    const { CLUSTER_REGISTRY } = this.#env;
    if (CLUSTER_REGISTRY === undefined) return { missing: `there is no cluster "${name}": this worker has one only` };
    if (!isClusterName(name) || !this.#allowed(name)) {
      return { missing: `there is no cluster "${name}", and CLUSTERS of this deployment does not allow the name` };
    }
    const record = await CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME)).find(name);
    // Another request may have found it meanwhile.
    const found = this.#known.get(name);
    if (found !== undefined) return found;
    if (record === undefined) {
      return { missing: `there is no cluster "${name}"; \`npx quorate cluster create ${name}\` makes one` };
    }
    return this.#remember(name, this.#clusterOf(record));
  }

  /** All clusters beside the first one, for work in the background. They are not remembered. */
  async *others(): AsyncGenerator<Cluster> {
    const { CLUSTER_REGISTRY } = this.#env;
    if (CLUSTER_REGISTRY === undefined) return;
    const registry = CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME));
    for (let after = ""; ;) {
      const page = await registry.page(after);
      for (const record of page) yield this.#clusterOf(record);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.name;
    }
  }

  #clusterOf(record: ClusterRecord): Cluster {
    const env = clusterEnv(this.#env, record);
    const cluster: Cluster = {
      name: record.name,
      env,
      balancer: new Balancer(env, () => {
        if (this.#known.get(record.name) === cluster) this.#known.delete(record.name);
      }),
    };
    return cluster;
  }

  #remember(name: string, cluster: Cluster): Cluster {
    this.#known.delete(name);
    this.#known.set(name, cluster);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > KNOWN_MAX) this.#known.delete(oldest);
    return cluster;
  }
}

const clusters = new WeakMap<Env, Clusters>();

/** Returns the same clusters for the same environment. Throws if a setting cannot be parsed. */
export function clustersOf(env: Env): Clusters {
  let own = clusters.get(env);
  if (own === undefined) {
    own = new Clusters(env);
    clusters.set(env, own);
  }
  return own;
}
