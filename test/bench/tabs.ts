/**
 * Tabs: three browsers, each with a profile on this disk, a tab in each; the tabs are a room over WebRTC on loopback,
 * and every entry is durable in IndexedDB before it counts.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { buildAll, DIST } from "../../worker/local/build.ts";
import { leaderOf, Tab, untilSucceeded } from "../e2e/tabs-support.ts";
import { launchChromiumProfile } from "../support/chromium.ts";
import { EdgeFolder } from "./edge/server.ts";
import { type Aim, atLeast, atMost, type Figure, percentile } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import { benchCrowd } from "./tabs/crowd.ts";
import { benchRoomTraffic } from "./tabs/room-traffic.ts";
import { benchServedTab } from "./tabs/served-tab.ts";

const TABS = 3;
const COMMAND = "npm run bench -- tabs";
/** From the crash until the others follow somebody else: what an application would wait. */
const SUCCESSION_AIM_MS = 10_000;

interface Measured {
  readonly leaderP50: number[];
  readonly leaderP99: number[];
  readonly followerP50: number[];
  readonly followerP99: number[];
  readonly pipelined: number[];
  readonly succession: number[];
}

export async function benchTabs(options: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const measured: Measured = {
    leaderP50: [],
    leaderP99: [],
    followerP50: [],
    followerP99: [],
    pipelined: [],
    succession: [],
  };
  const folder = await EdgeFolder.make();
  const server = await folder.start();
  let served: readonly Figure[] = [];
  let crowd: readonly Figure[] = [];
  let traffic: readonly Figure[] = [];
  try {
    await withTabs(server, (tabs) => measure(tabs, measured, options));
    served = await benchServedTab(server, options.isQuick ? 1 : 3, options.isQuick ? 1_000 : 2_000);
    crowd = await benchCrowd(server, options.isQuick ? 100 : 1_000);
    traffic = await benchRoomTraffic(server);
  } finally {
    await server.stop();
    await folder.remove();
  }
  return [...figuresOf(measured), ...served, ...crowd, ...traffic];
}

/** Opens the room, and closes all browsers whatever happens. */
async function withTabs(
  server: { readonly url: string; stop(): Promise<void> },
  run: (tabs: readonly Tab[]) => Promise<void>,
): Promise<void> {
  const profiles = await mkdtemp(join(DIST, "bench-profiles-"));
  const contexts: BrowserContext[] = [];
  try {
    const tabs: Tab[] = [];
    for (let number = 1; number <= TABS; number++) {
      const context = await launchChromiumProfile(join(profiles, String(number)));
      contexts.push(context);
      const tab = await Tab.openIn(context, server, "bench");
      await tab.ready();
      tabs.push(tab);
    }
    await Promise.all(tabs.map((tab) => tab.untilVoters(TABS)));
    await run(tabs);
  } finally {
    await Promise.all(contexts.map((context) => context.close().catch(() => {})));
    await rm(profiles, { recursive: true, force: true });
  }
}

async function measure(tabs: readonly Tab[], measured: Measured, { isQuick }: BenchOptions): Promise<void> {
  for (let round = 0; round < (isQuick ? 1 : 3); round++) {
    const leader = await leaderOf(tabs);
    const follower = tabs.find((tab) => tab !== leader) ?? leader;
    const alone = isQuick ? 200 : 500;
    const fromLeader = await putsOneByOne(leader, alone);
    const fromFollower = await putsOneByOne(follower, alone);
    measured.leaderP50.push(percentile(fromLeader, 50));
    measured.leaderP99.push(percentile(fromLeader, 99));
    measured.followerP50.push(percentile(fromFollower, 50));
    measured.followerP99.push(percentile(fromFollower, 99));
    measured.pipelined.push(await pipelinedPuts(leader, isQuick ? 1_500 : 3_000));
  }
  // Each death is one member less, so only one can be measured: after the second nobody has a quorum.
  const leader = await leaderOf(tabs);
  const { id } = await leader.status();
  const others = tabs.filter((tab) => tab !== leader);
  const startMs = performance.now();
  await Promise.all([leader.crash(), untilSucceeded(others, id)]);
  measured.succession.push(performance.now() - startMs);
}

/** How long each took, in milliseconds, measured inside the tab. */
function putsOneByOne({ page }: Tab, count: number): Promise<readonly number[]> {
  return page.evaluate(async (puts) => {
    const value = "v".repeat(256);
    const tookMs: number[] = [];
    for (let at = 0; at < puts + 20; at++) {
      const startMs = performance.now();
      await window.quorate.kv.put(`bench/${String(at % 1000).padStart(58, "0")}`, value);
      // The first few warm up the code.
      if (at >= 20) tookMs.push(performance.now() - startMs);
    }
    return tookMs;
  }, count);
}

/** Puts per second of 500 callers that each wait for their own answer. */
function pipelinedPuts({ page }: Tab, forMs: number): Promise<number> {
  return page.evaluate(async (measuredMs) => {
    const value = "v".repeat(256);
    const run = async (untilMs: number): Promise<number> => {
      const startMs = performance.now();
      let done = 0;
      const caller = async (): Promise<void> => {
        while (performance.now() < untilMs) {
          await window.quorate.kv.put(`bench/${String(done % 1000).padStart(58, "0")}`, value);
          done++;
        }
      };
      await Promise.all(Array.from({ length: 500 }, caller));
      return (done / (performance.now() - startMs)) * 1000;
    };
    await run(performance.now() + measuredMs / 3);
    return run(performance.now() + measuredMs);
  }, forMs);
}

function figuresOf(measured: Measured): readonly Figure[] {
  const figure = (name: string, unit: string, runs: readonly number[], aim?: Aim): Figure => ({
    name: `tabs: ${name}`,
    unit,
    runs,
    aim,
    command: COMMAND,
  });
  return [
    figure("put in the leader's tab, one at a time, p50", "ms", measured.leaderP50, atMost(3)),
    figure("put in the leader's tab, one at a time, p99", "ms", measured.leaderP99),
    figure("put in a follower's tab, one at a time, p50", "ms", measured.followerP50, atMost(3)),
    figure("put in a follower's tab, one at a time, p99", "ms", measured.followerP99),
    figure("puts, 500 in flight", "puts/s", measured.pipelined, atLeast(5_000)),
    figure("new leader after the old one's tab crashed", "ms", measured.succession, atMost(SUCCESSION_AIM_MS)),
  ];
}
