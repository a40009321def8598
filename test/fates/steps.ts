/** Steps that fates are made of. */
import type { Tab } from "../e2e/tabs-support.ts";

export async function secondsOf(run: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await run();
  return (performance.now() - fromMs) / 1000;
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

/** Puts again and again, as an application that is told that it may, until it succeeds. */
export async function putUntilDone({ page }: Pick<Tab, "page">, key: string, value: string): Promise<void> {
  await page.evaluate(
    async (put) => {
      for (;;) {
        const failed = await window.quorate.kv.put(put.key, put.value).then(
          () => false,
          () => true,
        );
        if (!failed) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    { key, value },
  );
}

/** Queues so many writes; each is on disk when this resolves. */
export async function queue({ page }: Tab, count: number, prefix: string): Promise<void> {
  await page.evaluate(
    async ([most, start]) => {
      const { outbox } = window.quorate;
      const writes = Array.from({ length: most }, (_, at) => outbox.put(`${start}${at}`, String(at)));
      await Promise.all(writes.map(({ stored }) => stored));
    },
    [count, prefix] as const,
  );
}

/** Queued writes that have a verdict. */
export async function verdicts({ page }: Tab): Promise<number> {
  return page.evaluate(async () => {
    const { outbox } = window.quorate;
    outbox.subscribe(() => {});
    while (outbox.entries.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    return outbox.entries.filter(({ verdict }) => verdict !== undefined).length;
  });
}

export async function untilSent({ page }: Tab): Promise<void> {
  await page.waitForFunction(() => {
    const { state, pending } = window.quorate.outbox.getSnapshot();
    return state === "idle" && pending === 0;
  });
}

/** Queued writes that were made once, at the revision that their verdict names, as another tab reads them. */
export async function madeOnce(sender: Tab, reader: Tab, prefix: string): Promise<number> {
  const told = await sender.page.evaluate(() =>
    window.quorate.outbox.entries.map(({ verdict }) => (verdict?.type === "committed" ? verdict.revision : 0)),
  );
  const revisions = new Set(told);
  await reader.page.waitForFunction(() => window.quorate !== undefined);
  const found = await reader.page.evaluate(async (start) => {
    const { toText, kv } = window.quorate;
    const { kvs } = await kv.range(start, { prefix: true });
    return kvs
      .filter(({ key, value, version }) => version === 1 && toText(key) === `${start}${toText(value)}`)
      .map(({ modRevision }) => modRevision);
  }, prefix);
  return found.filter((revision) => revisions.has(revision)).length;
}
