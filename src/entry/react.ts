/**
 * The package's `quorate/react`: hooks for React 18 and 19.
 *
 * ```tsx
 * import { useEntry, useNamespace } from "quorate/react";
 *
 * export function Theme() {
 *   const flags = useNamespace<{ on: boolean }>("flags/");
 *   return <p>{useEntry(flags, "dark")?.value.on === true ? "dark" : "light"}</p>;
 * }
 * ```
 */
export { QuorateProvider, useClient } from "../react/provider.ts";
export type { QuorateProviderProps } from "../react/provider.ts";
export { useConnection } from "../react/use-connection.ts";
export { useLeader, useLock } from "../react/use-held.ts";
export type { HoldOptions } from "../react/use-held.ts";
export { useEntry, useLive, useNamespace } from "../react/use-live.ts";
export type { LiveOptions } from "../react/use-live.ts";
export { usePresence } from "../react/use-presence.ts";
export { useOutbox } from "../react/use-outbox.ts";
