/**
 * Many tabs in one room at the edge: what the room's object sends them for each put. One browser with a profile for each
 * tab; frames are counted where they arrive.
 */
import { newRoom, Tab } from "../../e2e/tabs-support.ts";
import { chromiumContextOptions, launchChromium } from "../../support/chromium.ts";
import type { Figure } from "../figures.ts";

const COMMAND = "npm run bench -- tabs";
/** Enough for a large room; each takes some seconds to open. */
const TABS = 10;
const SETTLED_MS = 1_000;

/** For each tab. */
interface Traffic {
  readonly framesPerSecond: number;
  readonly framesPerPut: number;
  readonly bytesPerPut: number;
}

export async function benchCrowd(server: { readonly url: string }, puts: number): Promise<readonly Figure[]> {
  const browser = await launchChromium();
  const received = { frames: 0, bytes: 0 };
  try {
    const room = newRoom();
    const tabs: Tab[] = [];
    for (let at = 0; at < TABS; at++) {
      const context = await browser.newContext(chromiumContextOptions());
      context.on("page", (page) => {
        page.on("websocket", (socket) => {
          if (!socket.url().includes("/quorate/peer")) return;
          socket.on("framereceived", ({ payload }) => {
            received.frames++;
            received.bytes += payload.length;
          });
        });
      });
      const tab = await Tab.openIn(context, server, room, "edge");
      await tab.ready();
      tabs.push(tab);
    }
    const measured = async (inFlight: number): Promise<Traffic> => {
      await tabs[0]?.page.waitForTimeout(SETTLED_MS);
      Object.assign(received, { frames: 0, bytes: 0 });
      const startMs = performance.now();
      await tabs[0]?.page.evaluate(
        async ([count, callers]) => {
          const value = "v".repeat(256);
          const caller = async (first: number): Promise<void> => {
            for (let at = first; at < count; at += callers) await window.quorate.kv.put(`crowd/${at}`, value);
          };
          await Promise.all(Array.from({ length: callers }, (_, first) => caller(first)));
        },
        [puts, inFlight] as const,
      );
      const seconds = (performance.now() - startMs) / 1_000;
      const framesPerSecond = received.frames / seconds / TABS;
      await tabs[0]?.page.waitForTimeout(SETTLED_MS);
      const { frames, bytes } = received;
      return { framesPerSecond, framesPerPut: frames / puts / TABS, bytesPerPut: bytes / puts / TABS };
    };
    const [alone, together] = [await measured(1), await measured(64)];
    const figure = (name: string, unit: string, value: number): Figure => ({
      name: `tabs: from the object to each of ${TABS} tabs of a room, ${name}`,
      unit,
      runs: [value],
      aim: undefined,
      command: COMMAND,
    });
    return [
      figure("puts of one tab, one at a time", "frames/s", alone.framesPerSecond),
      figure("64 puts in flight", "frames/s", together.framesPerSecond),
      figure("64 puts in flight, for each put", "frames", together.framesPerPut),
      figure("64 puts of 256 bytes in flight, for each put", "bytes", together.bytesPerPut),
    ];
  } finally {
    await browser.close();
  }
}
