/** The outbox of the nearest client. */
import { useSyncExternalStore } from "react";
import type { OutboxSnapshot } from "../client/outbox/outbox-types.ts";
import { useClient } from "./provider.ts";

/** Returns what is queued and what became of it, and renders again when it changes. Opens the outbox. */
export function useOutbox(): OutboxSnapshot {
  const { outbox } = useClient();
  return useSyncExternalStore(outbox.subscribe, outbox.getSnapshot, outbox.getSnapshot);
}
