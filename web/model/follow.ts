/** Follows all keys until the page is closed: a watch that had to end begins again from now. */
import type { Client } from "../../src/client/client.ts";
import type { WatchEvent } from "../../src/client/common/types.ts";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";

const AGAIN_MS = 1000;

export interface FollowEvents {
  readonly onEvents: (events: readonly WatchEvent[], revision: number) => void;
  /** The events in between are left out. */
  readonly onGap: () => void;
}

export async function followAll(client: Pick<Client, "watch">, { onEvents, onGap }: FollowEvents): Promise<never> {
  for (;;) {
    try {
      for await (const { events, header } of client.watch("", { prefix: true })) onEvents(events, header.revision);
    } catch {
      // The next watch begins at the current revision.
    }
    onGap();
    await SYSTEM_BACKOFF.sleep(AGAIN_MS);
  }
}
