/** Reads of a tab that another tab of its profile serves, and of that one, in turn: both have the same member. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DIST } from "../../../worker/local/build.ts";
import { Tab } from "../../e2e/tabs-support.ts";
import { launchChromiumProfile } from "../../support/chromium.ts";
import { type Aim, atLeast, atMost, type Figure } from "../figures.ts";

const COMMAND = "npm run bench -- tabs";
const KEYS = 200;
const IN_FLIGHT = 64;

interface Speed {
  /** One at a time, in ms. */
  readonly p50: number;
  readonly perSecond: number;
}

type Measured = Record<"linearizable" | "serializable", { own: Speed[]; served: Speed[] }>;

export async function benchServedTab(
  server: { readonly url: string },
  rounds: number,
  forMs: number,
): Promise<readonly Figure[]> {
  const profile = await mkdtemp(join(DIST, "bench-profiles-"));
  const context = await launchChromiumProfile(profile);
  const measured: Measured = {
    linearizable: { own: [], served: [] },
    serializable: { own: [], served: [] },
  };
  try {
    const own = await Tab.openIn(context, server, "bench-served");
    await own.ready();
    await fill(own);
    const served = await own.second();
    await served.ready();
    for (let round = 0; round < rounds; round += 1) {
      for (const kind of ["linearizable", "serializable"] as const) {
        measured[kind].own.push(await speedOf(own, kind === "serializable", forMs));
        measured[kind].served.push(await speedOf(served, kind === "serializable", forMs));
      }
    }
  } finally {
    await context.close().catch(() => {});
    await rm(profile, { recursive: true, force: true });
  }
  return figuresOf(measured);
}

async function fill({ page }: Tab): Promise<void> {
  await page.evaluate(async (keys) => {
    const value = "v".repeat(256);
    const puts = Array.from({ length: keys }, (_, at) => window.quorate.kv.put(`read/${at}`, value));
    await Promise.all(puts);
  }, KEYS);
}

/** Measured inside the tab, after as much that is not counted. */
function speedOf({ page }: Tab, serializable: boolean, forMs: number): Promise<Speed> {
  return page.evaluate(
    async ({ serializable: isLocal, forMs: ms, keys, inFlight }) => {
      const read = async (at: number): Promise<void> => {
        const { kvs } = await window.quorate.kv.range(`read/${at % keys}`, { serializable: isLocal });
        if (kvs.length !== 1) throw new Error("a key is missing");
      };
      const together = async (untilMs: number): Promise<number> => {
        let done = 0;
        const reader = async (): Promise<void> => {
          while (performance.now() < untilMs) await read(done++);
        };
        await Promise.all(Array.from({ length: inFlight }, reader));
        return done;
      };
      await together(performance.now() + ms);
      const startMs = performance.now();
      const done = await together(startMs + ms);
      const perSecond = (done / (performance.now() - startMs)) * 1000;
      // Clocks of pages are coarse, and some reads take less than they tell.
      const tookMs: number[] = [];
      for (const untilMs = performance.now() + ms; performance.now() < untilMs;) {
        const beganMs = performance.now();
        for (let at = 0; at < 5; at++) await read(at);
        tookMs.push((performance.now() - beganMs) / 5);
        await new Promise((resolve) => setTimeout(resolve));
      }
      tookMs.sort((left, right) => left - right);
      return { p50: tookMs[tookMs.length >> 1] ?? Number.NaN, perSecond };
    },
    { serializable, forMs, keys: KEYS, inFlight: IN_FLIGHT },
  );
}

function figuresOf(measured: Measured): readonly Figure[] {
  return (["linearizable", "serializable"] as const).flatMap((kind) => {
    const { own, served } = measured[kind];
    const ratios = (of: keyof Speed): readonly number[] =>
      served.map((speed, at) => speed[of] / (own[at]?.[of] ?? Number.NaN));
    const figure = (name: string, unit: string, runs: readonly number[], aim?: Aim): Figure => ({
      name: `tabs: ${kind} gets, ${name}`,
      unit,
      runs,
      aim,
      command: COMMAND,
    });
    return [
      figure(
        `one at a time, p50 of the member's tab`,
        "ms",
        own.map(({ p50 }) => p50),
      ),
      figure(
        `one at a time, p50 of a served tab`,
        "ms",
        served.map(({ p50 }) => p50),
      ),
      figure(`one at a time, served ÷ member's`, "×", ratios("p50"), kind === "serializable" ? atMost(1.3) : undefined),
      figure(
        `${IN_FLIGHT} in flight, the member's tab`,
        "gets/s",
        own.map(({ perSecond }) => perSecond),
      ),
      figure(
        `${IN_FLIGHT} in flight, a served tab`,
        "gets/s",
        served.map(({ perSecond }) => perSecond),
      ),
      figure(`${IN_FLIGHT} in flight, served ÷ member's`, "×", ratios("perSecond"), atLeast(0.8)),
    ];
  });
}
