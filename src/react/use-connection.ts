/** Returns the state of the connection, and renders again when it changes. */
import { useSyncExternalStore } from "react";
import type { ConnectionSnapshot } from "../client/app/connection.ts";
import { useClient } from "./provider.ts";

/** Returns the state of the client's connection. Renders again when it changes. */
export function useConnection(): ConnectionSnapshot {
  const { connection } = useClient();
  return useSyncExternalStore(connection.subscribe, connection.getSnapshot, connection.getSnapshot);
}
