/** One seeded stream of steps over all services, which learns from the reference's answers where the store is. */
import { Prng } from "../../../src/base/prng.ts";
import type { Observation, Step } from "../steps.ts";
import { drawAdministration, drawAuth, drawHeaders } from "./auth.ts";
import { drawBroken } from "./broken.ts";
import { drawKv } from "./kv.ts";
import { drawLeases } from "./lease.ts";
import { drawElection, drawLock } from "./lock.ts";
import { drawCluster, drawMaintenance } from "./maintenance.ts";
import { drawWatch } from "./watch.ts";
import { call, World } from "./world.ts";

export const SERVICES = [
  "kv",
  "watch",
  "lease",
  "lock",
  "election",
  "auth",
  "cluster",
  "maintenance",
  "broken",
] as const;
export type Service = (typeof SERVICES)[number];

const WEIGHTS: Readonly<Record<Service, number>> = {
  kv: 44,
  watch: 8,
  lease: 10,
  lock: 5,
  election: 5,
  auth: 8,
  cluster: 2,
  maintenance: 4,
  broken: 14,
};

/** While anybody listens or waits, what was said is compared at least so often. */
const SYNC_EVERY = 12;

type CallStep = Step & { readonly type: "call" };

export class Drawer {
  readonly #world: World;
  readonly #services: readonly Service[];
  readonly #weight: number;
  #queue: Step[] = [];
  #sinceSync = 0;
  readonly #leaderChanges: number[];
  #drawn = 0;

  /** `leaderChanges`: before which requests the leader is to lose its place. */
  constructor(seed: number, services: readonly Service[] = SERVICES, leaderChanges: readonly number[] = []) {
    this.#world = new World(new Prng(seed));
    this.#services = services;
    this.#weight = services.reduce((sum, service) => sum + WEIGHTS[service], 0);
    this.#leaderChanges = [...leaderChanges];
  }

  next(): Step {
    for (;;) {
      const step = this.#queue.shift();
      if (step !== undefined) return step;
      this.#queue = this.#surrounded(this.#dressed(this.#draw()));
    }
  }

  /** What the answer tells about the store. */
  learn(step: Step, observation: Observation): void {
    if (step.type !== "call") return;
    const { status, body } = observation as { status: number; body: { header?: { revision?: string } } };
    const revision = Number(body.header?.revision ?? 0);
    const world = this.#world;
    if (revision > world.revision) world.revision = revision;
    if (status !== 200) return;
    if (step.path === "/v3/auth/enable") world.authOn = true;
    if (step.path === "/v3/auth/disable") {
      world.authOn = false;
      world.tokens.clear();
    }
    if (step.path === "/v3/kv/compaction") {
      const compacted = Number(/"revision":"?([0-9]+)/.exec(step.body)?.[1] ?? 0);
      if (compacted > world.compacted) world.compacted = compacted;
    }
  }

  #draw(): readonly Step[] {
    this.#drawn++;
    // Who moves the leader has no token.
    if (!this.#world.authOn && this.#drawn > (this.#leaderChanges[0] ?? Number.POSITIVE_INFINITY)) {
      this.#leaderChanges.shift();
      return [{ type: "sync" }, { type: "leader-change" }, { type: "sync" }];
    }
    const world = this.#world;
    let dice = world.prng.next() * this.#weight;
    const service = this.#services.find((candidate) => (dice -= WEIGHTS[candidate]) < 0) ?? "kv";
    return service === "broken" ? drawBroken(world, this.#toSpoil()) : this.#of(service);
  }

  /** Draws a step without recording it in the world as sent. */
  #toSpoil(): readonly Step[] {
    const world = this.#world;
    switch (world.prng.pick(this.#services)) {
      case "lease":
        return drawLeases(world);
      case "auth":
        return drawAdministration(world);
      case "cluster":
        return drawCluster(world);
      case "maintenance":
        return drawMaintenance(world);
      case "lock":
        return [call("/v3/lock/lock", {})];
      case "election":
        return [call("/v3/election/campaign", {})];
      case "kv":
      case "watch":
      case "broken":
        return [drawKv(world)];
    }
  }

  #of(service: Exclude<Service, "broken">): readonly Step[] {
    const world = this.#world;
    switch (service) {
      case "kv":
        return [drawKv(world)];
      case "watch":
        return drawWatch(world);
      case "lease":
        return drawLeases(world);
      case "lock":
        return drawLock(world);
      case "election":
        return drawElection(world);
      case "auth":
        return drawAuth(world);
      case "cluster":
        return drawCluster(world);
      case "maintenance":
        return drawMaintenance(world);
    }
  }

  /** With authentication on, somebody calls; who turns it off may do so. */
  #dressed(steps: readonly Step[]): readonly Step[] {
    const root = this.#world.tokens.get("root");
    return steps.map((step): Step => {
      if (step.type !== "call" && step.type !== "begin") return step;
      const headers =
        step.path === "/v3/auth/disable" && root !== undefined
          ? { authorization: `\${${root}}` }
          : drawHeaders(this.#world);
      return headers === undefined ? step : { ...step, headers: { ...step.headers, ...headers } };
    });
  }

  /** Before a compaction everybody has seen what it takes away; behind a write who waited has his answer. */
  #surrounded(steps: readonly Step[]): Step[] {
    const world = this.#world;
    if (!world.hasStreams) return [...steps];
    const all = steps.flatMap((step): Step[] => {
      if (step.type !== "call") return [step];
      if (isCompaction(step)) return [{ type: "sync" }, step];
      return world.waiting.length + world.otherStreams.length > 0 && mayWrite(step) ? [step, { type: "sync" }] : [step];
    });
    this.#sinceSync += all.length;
    if (all.some(({ type }) => type === "sync")) this.#sinceSync = 0;
    if (this.#sinceSync < SYNC_EVERY) return all;
    this.#sinceSync = 0;
    return [...all, { type: "sync" }];
  }
}

function isCompaction({ path }: CallStep): boolean {
  return path === "/v3/kv/compaction";
}

/** Also of what locks and elections are made of: their keys end by deletions and by leases. */
function mayWrite({ path }: CallStep): boolean {
  return !path.startsWith("/v3/auth") && path !== "/v3/kv/range" && path !== "/v3/lease/timetolive";
}
