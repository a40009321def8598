/** What a tab says when the browser gives its room no more space. */
import { fullDiskText, storageUsage } from "../client/common/storage-usage.ts";
import type { StorageUsage } from "../client/common/storage-usage.ts";

const READS = "Reads marked serializable answer from this tab’s copy; writes fail here, and go on elsewhere.";
const CLOSED = "The room’s store could not be opened.";
const GOES_ON = "This tab looks for room again and again, and goes on by itself.";

/** `held`: what the room's store has; undefined if it could not be opened. Does not reject. */
export async function roomFullText(held: StorageUsage["held"], roomKey: string): Promise<string> {
  const usage = await storageUsage(navigator.storage, held, async () => {
    const { storedOutboxes } = await import("../client/outbox/stored-outboxes.ts");
    return storedOutboxes(`room/${roomKey}`);
  });
  const meaning = `${held === undefined ? CLOSED : READS} ${GOES_ON}`;
  return fullDiskText(usage, meaning, "delete keys of the room and compact it");
}
