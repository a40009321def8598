/** How much the outboxes of one place hold on this disk, for those who tell what takes its room. */
import { browser } from "./browser.ts";
import { indexedDbOutboxStore } from "./indexeddb-store.ts";
import { outboxName } from "./open-outbox.ts";

/** Undefined: there is none, or the browser does not list its databases. */
export async function storedOutboxes(
  place: string,
): Promise<{ readonly count: number; readonly bytes: number } | undefined> {
  const names = (await browser.indexedDB?.databases?.()) ?? [];
  const first = outboxName(place, undefined);
  const own = names.flatMap(({ name }) => (name === first || name?.startsWith(`${first}#`) === true ? [name] : []));
  if (own.length === 0) return undefined;
  let [count, bytes] = [0, 0];
  for (const name of own) {
    const store = await indexedDbOutboxStore(name);
    const { meta } = await store.read(0, 0);
    store.close();
    count += meta.count;
    bytes += meta.bytes;
  }
  return { count, bytes };
}
