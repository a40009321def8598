/** Does harm to members that run, one thing at a time, and undoes it: SIGKILL, SIGSTOP, full disks, cut and slow links. */
import type { Prng } from "../../src/base/prng.ts";
import { initialMembersOf } from "../../worker/process/initial-cluster.ts";
import { CLUSTER_TOKEN, type ProcessCluster, type ProcessMemberUnderTest } from "../support/process-cluster.ts";
import type { SmallDisks } from "./small-disks.ts";
import { type LinkFaults, NO_FAULTS, type PeerProxy } from "./peer-proxy.ts";

type Harm = "kill" | "kill-all" | "stop" | "disk-full" | "isolate" | "cut-pair" | "slow" | "lossy";

const HARMS: readonly Harm[] = [
  ...(["kill", "kill", "kill-all", "stop", "disk-full"] as const),
  ...(["isolate", "cut-pair", "slow", "lossy"] as const),
];

export interface NemesisOptions {
  readonly cluster: ProcessCluster;
  /** In the order of the members. */
  readonly proxies: readonly PeerProxy[];
  readonly disks: SmallDisks | undefined;
  readonly prng: Prng;
  readonly say: (line: string) => void;
}

export class Nemesis {
  readonly counts: Map<Harm, number> = new Map();
  readonly #cluster: ProcessCluster;
  /** Undefined: none is filled. */
  readonly #disks: SmallDisks | undefined;
  readonly #prng: Prng;
  readonly #say: (line: string) => void;
  readonly #faults: Map<string, LinkFaults> = new Map();

  constructor({ cluster, proxies, disks, prng, say }: NemesisOptions) {
    this.#cluster = cluster;
    this.#disks = disks;
    this.#prng = prng;
    this.#say = say;
    const { members } = cluster;
    const initial = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    const names = new Map(initialMembersOf(initial, CLUSTER_TOKEN).map(({ id, name }) => [id, name]));
    for (const [at, proxy] of proxies.entries()) {
      const to = members[at]?.name ?? "";
      proxy.faultsFrom = (sender) => this.#faults.get(pairOf(names.get(sender) ?? "", to)) ?? NO_FAULTS;
    }
  }

  /** Does one thing, waits a while, and undoes it. */
  async harm(): Promise<void> {
    const harm = this.#prng.pick(HARMS.filter((one) => one !== "disk-full" || this.#disks !== undefined));
    this.counts.set(harm, (this.counts.get(harm) ?? 0) + 1);
    const { members } = this.#cluster;
    const victim = this.#prng.pick(members);
    const lastsMs = this.#prng.int(300, 6_000);
    this.#say(`${harm} ${harm === "kill-all" ? "" : victim.name} for ${lastsMs} ms`);
    switch (harm) {
      case "kill":
        await victim.kill();
        await sleep(lastsMs);
        await victim.start();
        break;
      case "kill-all":
        await Promise.all(members.map((member) => member.kill()));
        await sleep(lastsMs / 4);
        await Promise.all(members.map((member) => member.start()));
        break;
      case "stop":
        victim.signal("SIGSTOP");
        await sleep(lastsMs);
        victim.signal("SIGCONT");
        break;
      case "disk-full":
        await this.#disks?.fill(victim.name);
        await sleep(lastsMs);
        await this.#disks?.makeRoom(victim.name);
        break;
      case "isolate":
      case "cut-pair":
      case "slow":
      case "lossy":
        this.#fault(harm, victim);
        await sleep(lastsMs);
        this.#faults.clear();
    }
  }

  #fault(harm: "isolate" | "cut-pair" | "slow" | "lossy", victim: ProcessMemberUnderTest): void {
    const others = this.#cluster.members.filter((member) => member !== victim);
    const cut = this.#prng.pick(["hangs-up", "silent"] as const);
    const pairs = harm === "cut-pair" ? [this.#prng.pick(others)] : others;
    const faults: LinkFaults = {
      cut: harm === "isolate" || harm === "cut-pair" ? cut : undefined,
      delayMs: harm === "slow" ? this.#prng.int(20, 600) : 0,
      lossProbability: harm === "lossy" ? 0.3 : 0,
    };
    for (const other of pairs) this.#faults.set(pairOf(victim.name, other.name), faults);
  }
}

function pairOf(one: string, other: string): string {
  return [one, other].toSorted().join(" ");
}

export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
