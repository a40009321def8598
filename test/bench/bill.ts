/**
 * What a cluster at the edge would cost: rows, requests and time in memory are counted in real workerd while something is
 * done, and multiplied by the list prices. A month and a million are extrapolated from what is measured.
 */
import { unreachable } from "../../src/base/assert.ts";
import { dollarsOf, PRICES_OF, times, type Usage } from "./bill/prices.ts";
import { startRival } from "./edge/rival.ts";
import { EdgeFolder } from "./edge/server.ts";
import { type Aim, atMost, type Figure, spreadOf } from "./figures.ts";
import type { BenchOptions, BillRow } from "./options.ts";

const MONTH_S = 30 * 86_400;
const MILLION = 1_000_000;
const WRITERS = 32;
/** A lease of a minute is kept alive three times in its time, as etcd's clients do. */
const KEEP_ALIVE_EVERY_S = 20;
/** The platform evicts an object ten seconds after its last event. */
const EVICTED_AFTER_MS = 14_000;
const WAKES = 3;
const WARM_READS = 20;
const COMMAND = "npm run bench -- bill";

interface Meter extends Omit<Usage, "seconds"> {
  readonly awakeMs: number;
  readonly isAwake: boolean;
  /** Times that an object was loaded. */
  readonly loaded: number;
}

export async function benchBill({ isQuick, members, rows }: BenchOptions): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const size of members) {
    const folder = await EdgeFolder.make({ CLUSTER_SIZE: String(size) }, "test/bench/bill/metered-worker.ts");
    const server = await folder.start();
    try {
      figures.push(...(await new Bill(server.url, size, isQuick ? 1_000 : 5_000).figures(rows)));
    } finally {
      await server.stop();
      await folder.remove();
    }
  }
  return figures;
}

class Bill {
  readonly #url: string;
  readonly #size: number;
  readonly #puts: number;

  constructor(url: string, size: number, puts: number) {
    this.#url = url;
    this.#size = size;
    this.#puts = puts;
  }

  /** In the order of BILL_ROWS. */
  async figures(rows: ReadonlySet<BillRow>): Promise<readonly Figure[]> {
    await this.#post("/v3/kv/put", put(0));
    await this.#post("/v3/lease/grant", { ID: 7, TTL: 86_400 });
    await this.#asleep();
    const figures: Figure[] = [];
    for (const row of rows) figures.push(...(row === "wake" ? await this.#wakes() : [await this.#measure(row)]));
    return figures;
  }

  async #measure(row: Exclude<BillRow, "wake">): Promise<Figure> {
    switch (row) {
      case "put":
        return this.#figure("a put out of sleep", await this.#used(() => this.#post("/v3/kv/put", put(0))));
      case "puts":
        return this.#million();
      case "lease": {
        const used = await this.#used(() => this.#post("/v3/lease/keepalive", { ID: 7 }));
        return this.#month("a lease kept alive for a month", "keep-alive", used);
      }
      case "status": {
        const used = await this.#used(() => this.#post("/v3/maintenance/status", {}));
        return this.#month("a month of status calls", "status call", used);
      }
      case "idle": {
        const used = times(await this.#idle(), MONTH_S / (EVICTED_AFTER_MS / 1_000));
        return this.#figure("an idle month", used, undefined, atMost(0));
      }
      case "watch":
        return this.#figure("a month of a held watch", await this.#watched(), undefined, atMost(0));
      default:
        return unreachable(row);
    }
  }

  async #million(): Promise<Figure> {
    const many = await this.#used(() => this.#putMany());
    const how = `extrapolated from ${this.#puts} puts by ${WRITERS} clients, times ${MILLION / this.#puts}`;
    return this.#figure("a million puts", times(many, MILLION / this.#puts), how, this.#millionAim());
  }

  #month(what: string, call: string, used: Usage): Figure {
    const how = `one ${call} out of sleep, every ${KEEP_ALIVE_EVERY_S} s`;
    return this.#figure(what, times(used, MONTH_S / KEEP_ALIVE_EVERY_S), how);
  }

  #millionAim(): Aim | undefined {
    if (this.#size === 1) return atMost(1.5);
    return this.#size === 3 ? atMost(3.5) : undefined;
  }

  async #putMany(): Promise<void> {
    let next = 0;
    const write = async (): Promise<void> => {
      while (next < this.#puts) await this.#post("/v3/kv/put", put(next++));
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
  }

  /** What it cost until the cluster stood still again. */
  async #used(run: () => Promise<unknown>): Promise<Usage> {
    const before = await this.#meter();
    await run();
    await this.#asleep();
    return this.#between(before, await this.#meter());
  }

  async #idle(): Promise<Usage> {
    const before = await this.#meter();
    await pause(EVICTED_AFTER_MS);
    return this.#between(before, await this.#meter());
  }

  /**
   * What a linearizable read takes longer after a sleep in which all members were evicted, and what a plain object's read
   * does in the same moment: that much is workerd's own.
   */
  async #wakes(): Promise<readonly Figure[]> {
    const rival = await startRival();
    try {
      const [ours, plain]: [number[], number[]] = [[], []];
      await post(`${rival.url}/v3/kv/put`, put(0));
      for (let wake = 0; wake < WAKES; wake++) {
        await this.#evicted();
        ours.push(await wakeMs(this.#url));
        plain.push(await wakeMs(rival.url));
        await this.#asleep();
      }
      const what = "the first read after a sleep takes longer by";
      return [
        { name: `${this.#members}: ${what}`, unit: "ms", runs: ours, aim: atMost(50), command: COMMAND },
        { name: `a plain object: ${what}`, unit: "ms", runs: plain, aim: undefined, command: COMMAND },
      ];
    } finally {
      await rival.stop();
    }
  }

  get #members(): string {
    return `${this.#size} ${this.#size === 1 ? "member" : "members"}`;
  }

  /**
   * Holds a watch for longer than the platform waits until it evicts, and then wakes all members. Those that were not
   * loaded again were kept in memory, and so they would be for the whole month.
   */
  async #watched(): Promise<Usage> {
    await this.#evicted();
    const { loaded: loadedBefore } = await this.#meter();
    const socket = new WebSocket(`${this.#url.replace("http", "ws")}/m/1/v3/watch`);
    await new Promise((resolve, reject) => {
      socket.addEventListener("message", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error("the watch could not be opened")), { once: true });
      socket.addEventListener("open", () => socket.send(JSON.stringify({ create_request: { key: btoa("bench") } })), {
        once: true,
      });
    });
    await this.#asleep();
    const before = await this.#meter();
    await this.#evicted();
    const used = this.#between(before, await this.#meter());
    for (let number = 1; number <= this.#size; number++) await this.#post(`/m/${number}/v3/maintenance/status`, {});
    const loadedAgain = (await this.#meter()).loaded - before.loaded;
    socket.close();
    if (before.loaded === loadedBefore) throw new Error("the members were in memory before the watch was opened");
    const kept = this.#size - loadedAgain;
    return { ...times(used, MONTH_S / (EVICTED_AFTER_MS / 1_000)), seconds: kept * MONTH_S };
  }

  #between(before: Meter, after: Meter): Usage {
    return {
      rowsRead: after.rowsRead - before.rowsRead,
      rowsWritten: after.rowsWritten - before.rowsWritten,
      requests: after.requests - before.requests,
      seconds: (this.#size * (after.awakeMs - before.awakeMs)) / 1_000,
    };
  }

  #figure(what: string, usage: Usage, how?: string, aim?: Aim): Figure {
    const shown = [
      `${rounded(usage.rowsWritten)} rows written`,
      `${rounded(usage.rowsRead)} read`,
      `${rounded(usage.requests)} requests`,
      `${rounded(usage.seconds)} s in memory`,
    ];
    return {
      name: `${this.#members}: ${what}`,
      unit: "$",
      runs: [dollarsOf(usage)],
      aim,
      command: COMMAND,
      note: `${shown.join(", ")}${how === undefined ? "" : ` (${how})`}; prices of ${PRICES_OF}, before allowances`,
    };
  }

  async #asleep(): Promise<void> {
    do await pause(250);
    while ((await this.#meter()).isAwake);
  }

  /** Waits until the platform has evicted the members, whose clocks stand still. */
  async #evicted(): Promise<void> {
    await this.#asleep();
    await pause(EVICTED_AFTER_MS);
  }

  async #meter(): Promise<Meter> {
    const response = await fetch(`${this.#url}/bench/meter`);
    return (await response.json()) as Meter;
  }

  #post(path: string, body: object): Promise<void> {
    return post(this.#url + path, body);
  }
}

/** How much longer the first read takes than those after it. */
async function wakeMs(url: string): Promise<number> {
  const readMs = async (): Promise<number> => {
    const sinceMs = performance.now();
    await post(`${url}/v3/kv/range`, { key: put(0).key });
    return performance.now() - sinceMs;
  };
  const first = await readMs();
  const warm: number[] = [];
  for (let read = 0; read < WARM_READS; read++) warm.push(await readMs());
  return first - (spreadOf(warm)?.median ?? 0);
}

async function post(url: string, body: object): Promise<void> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
}

function put(at: number): { readonly key: string; readonly value: string } {
  return { key: btoa(`bench/${at % 1_000}`), value: btoa("v".repeat(100)) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function rounded(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
