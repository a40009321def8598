/** Three tabs, one poller. */
import type { BrowserContext, Page } from "playwright-core";
import { check } from "../steps.ts";
import { until } from "../until.ts";
import { whileExampleServes } from "./example-server.ts";
import type { Pages } from "./pages.ts";

const POLLS = 5;
const PAUSE_MS = 100;

interface Poll {
  readonly by: string;
}

export function pollOnce(pages: Pages, endpoint: string, serverFile: string): Promise<void> {
  return whileExampleServes(serverFile, async (origin) => {
    const polls = async (): Promise<readonly Poll[]> => (await (await fetch(`${origin}/polls`)).json()) as Poll[];
    const profile = await pages.profile();
    const address = pages.address("one-poller", { endpoint, api: `${origin}/rates`, pause: String(PAUSE_MS) });
    const tabs = new Map<string, Page>();
    for (let count = 0; count < 3; count++) {
      const tab = await open(pages, profile, address);
      tabs.set(await tab.locator("#me").innerText(), tab);
    }

    const pollers: string[] = [];
    for (const end of [close, crash]) {
      const poller = await nextPoller(polls, pollers);
      pollers.push(poller);
      for (const [name, tab] of tabs) {
        await tab
          .locator("#leader", { hasText: name === poller ? "It polls for all" : `${poller} polls for all` })
          .waitFor();
        await tab.locator("#rates tr", { hasText: "USD" }).waitFor();
      }
      const gone = tabs.get(poller);
      check(gone !== undefined, `${poller} is none of the tabs`);
      tabs.delete(poller);
      if (gone !== undefined) await end(gone);
    }
    pollers.push(await nextPoller(polls, pollers));

    // Nobody polled between two polls of another one.
    const turns = (await polls()).map(({ by }) => by).filter((by, at, all) => by !== all[at - 1]);
    check(turns.join() === pollers.join(), `the API was polled by ${turns.join(", then ")}`);
  });
}

/** Waits until somebody who has not polled before has polled a few times. */
async function nextPoller(polls: () => Promise<readonly Poll[]>, before: readonly string[]): Promise<string> {
  let found: readonly Poll[] = [];
  await until("a new poller", async () => {
    found = (await polls()).filter(({ by }) => !before.includes(by));
    return found.length >= POLLS;
  });
  return found[0]?.by ?? "";
}

function open(pages: Pages, profile: BrowserContext, address: string): Promise<Page> {
  return pages.open(profile, address);
}

function close(page: Page): Promise<void> {
  return page.close();
}

/** Its lease has to end first. */
async function crash(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  session.send("Page.crash").catch(() => {});
  await crashed;
}
