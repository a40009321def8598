/** The clients of a cluster that is upgraded, and the judgement of what they saw. */
import { Prng } from "../../src/base/prng.ts";
import { connect } from "../../src/client/app/connect.ts";
import { askKv, Caller } from "../chaos/callers.ts";
import { judge, judgeWatch } from "../chaos/judge.ts";
import { type ClusterUnderTest, differences, Front, healed, Recorded } from "../chaos/observers.ts";
import { History } from "../sim/history.ts";

/** Callers by HTTP and gRPC at all members, and a watch at each. */
export class Clients {
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
    const [http, grpc] = [fronts.map((front) => askKv(front.http)), fronts.map((front) => askKv(front.grpc))];
    this.#callers = [http, http, grpc, grpc].map((asks, id) => new Caller(id, asks, this.#history, prng.fork()));
    this.#clients = urls.map((url) => connect({ endpoint: url }));
    this.#watches = this.#clients.map((client) => new Recorded(client));
    this.#running = this.#callers.map((caller) => caller.run());
  }

  static async of({ members }: ClusterUnderTest, seed: number): Promise<Clients> {
    const urls = members.map(({ url }) => url);
    return new Clients(await Promise.all(urls.map((url) => Front.before(url))), urls, seed);
  }

  /** Ends them. Returns what is wrong. */
  async judged(cluster: ClusterUnderTest): Promise<readonly string[]> {
    for (const caller of this.#callers) caller.stop();
    await Promise.all(this.#running);
    const log = await healed(cluster, this.#clients);
    this.#revisions = Math.max(...log.keys());
    await Promise.all(this.#watches.map((watch) => watch.reaches(this.#revisions)));
    const wrong = [...judge(this.#history, log)];
    for (const [at, { seen }] of this.#watches.entries())
      wrong.push(...judgeWatch(`the watch at ${cluster.members[at]?.name}`, seen, log));
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
