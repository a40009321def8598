/** What the object of a large room sends and receives: while nobody writes, and while its tabs write in turn. */
import { type Figure, percentile } from "../figures.ts";
import { RoomLearners, type Traffic } from "./room-learners.ts";

const COMMAND = "npm run bench -- tabs";
const TABS = [5, 20, 50];
/** After it a room sleeps. */
const SETTLED_MS = 4_000;
const IDLE_MS = 3_000;
const PUTS = 30;
const PAUSE_MS = 100;

export async function benchRoomTraffic(server: { readonly url: string }): Promise<readonly Figure[]> {
  const room = await RoomLearners.found(server.url, "bench-traffic");
  const figures: Figure[] = [];
  try {
    for (const tabs of TABS) {
      await room.grow(tabs);
      figures.push(...(await measured(room, tabs)));
    }
  } finally {
    room.close();
  }
  return figures;
}

async function measured(room: RoomLearners, tabs: number): Promise<readonly Figure[]> {
  await pause(SETTLED_MS);
  const idle = await trafficOf(room, () => pause(IDLE_MS));
  const tookMs: number[] = [];
  const paced = await trafficOf(room, () => putInTurn(room, tookMs));
  const figure = (name: string, unit: string, value: number): Figure => ({
    name: `tabs: an object with ${tabs} tabs, ${name}`,
    unit,
    runs: [value],
    aim: undefined,
    command: COMMAND,
  });
  const perSecond = (count: number): number => (count * 1_000) / IDLE_MS;
  return [
    figure("idle, sent and received", "frames/s", perSecond(idle.toLearners + idle.fromLearners)),
    figure("idle, sent and received", "bytes/s", perSecond(idle.bytesToLearners + idle.bytesFromLearners)),
    figure("tabs put in turn, sent for each put", "frames", paced.toLearners / PUTS),
    figure("tabs put in turn, received for each put", "frames", paced.fromLearners / PUTS),
    figure("tabs put in turn, sent for each put of 256 bytes", "bytes", paced.bytesToLearners / PUTS),
    figure("tabs put in turn, received for each put", "bytes", paced.bytesFromLearners / PUTS),
    figure("a tab's own put, p50", "ms", percentile(tookMs, 50)),
    figure("a tab's own put, the slowest", "ms", Math.max(...tookMs)),
  ];
}

async function putInTurn({ learners }: RoomLearners, tookMs: number[]): Promise<void> {
  const value = "v".repeat(256);
  for (let at = 0; at < PUTS; at++) {
    const startMs = performance.now();
    await learners[at % learners.length]?.client.kv.put(`turn/${at}`, value);
    tookMs.push(performance.now() - startMs);
    await pause(PAUSE_MS);
  }
}

async function trafficOf({ traffic }: RoomLearners, run: () => Promise<void>): Promise<Traffic> {
  const before = { ...traffic };
  await run();
  return {
    toLearners: traffic.toLearners - before.toLearners,
    bytesToLearners: traffic.bytesToLearners - before.bytesToLearners,
    fromLearners: traffic.fromLearners - before.fromLearners,
    bytesFromLearners: traffic.bytesFromLearners - before.bytesFromLearners,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
