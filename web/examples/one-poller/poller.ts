/** Polls while this tab leads. Every tab runs it, and all but one of them wait. */
import type { ApplicationClient, Leadership } from "quorate";
import { messageOf } from "../common/page.ts";
import { ELECTION, RATES, ratesOf, type Rate } from "./rates.ts";

export interface PollerOptions {
  readonly me: string;
  readonly api: string;
  readonly pauseMs: number;
  readonly say: (text: string) => void;
}

/** A tab that is gone without a word is followed after so many seconds. */
const TTL_SECONDS = 5;
const RETRY_MS = 1_000;

export async function keepPolling(client: ApplicationClient, options: PollerOptions): Promise<void> {
  for (;;) {
    try {
      await using leadership = await client.lead(ELECTION, options.me, { ttl: TTL_SECONDS });
      // The next tab need not wait for the lease of one that closes.
      const resign = (): void => void leadership.resign();
      addEventListener("pagehide", resign, { once: true, signal: leadership.signal });
      await pollWhileLeading(client, leadership, options);
    } catch (error) {
      options.say(`This tab does not poll now: ${messageOf(error)}`);
      await pause(RETRY_MS);
    }
  }
}

async function pollWhileLeading(
  client: ApplicationClient,
  { signal }: Leadership,
  { me, api, pauseMs, say }: PollerOptions,
): Promise<void> {
  const rates = client.namespace<Rate>(RATES);
  while (!signal.aborted) {
    try {
      // A request that is under way when the leadership is lost ends with it.
      const response = await fetch(`${api}?by=${encodeURIComponent(me)}`, { signal });
      for (const [currency, rate] of ratesOf(await response.json())) {
        await rates.put(currency, { rate, by: me }, { signal });
      }
      say("");
    } catch (error) {
      if (!signal.aborted) say(`The rates could not be had: ${messageOf(error)}`);
    }
    await pause(pauseMs, signal);
  }
}

/** Resolves early when the signal aborts. */
function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}
