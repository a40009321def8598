/** Returns the state of the connection, and renders again when it changes. */
import { useSyncExternalStore } from "react";
import type { ConnectionSnapshot } from "../client/app/connection.ts";
import { useClient } from "./provider.ts";

export function useConnection(): ConnectionSnapshot {
  const { connection } = useClient();
  return useSyncExternalStore(connection.subscribe, connection.getSnapshot, connection.getSnapshot);
}
