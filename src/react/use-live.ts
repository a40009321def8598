/** Reads a namespace that stays up to date. All components of one render see the same revision. */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { Entry } from "../client/app/entry.ts";
import type { LiveSnapshot } from "../client/app/live-snapshot.ts";
import type { Namespace } from "../client/app/namespace.ts";
import type { List } from "../client/app/namespace-types.ts";
import type { ValueOptions } from "../client/app/schema.ts";
import { useClient } from "./provider.ts";
import { sharedLive, snapshotOf } from "./shared-live.ts";
import { sharedNamespace } from "./shared-namespace.ts";

/** Options of `useLive` and `useEntry`. */
export interface LiveOptions<Value> {
  /** List that the server fetched for its render: shown there, at hydration, and until this client has listed. */
  readonly initial?: List<Value> | undefined;
  /**
   * Suspends until the first list is there, so that a `<Suspense>` shows its fallback, and throws what the list failed
   * with. With `initial` there is nothing to wait for. Default false: an empty map that `isStale`.
   */
  readonly suspense?: boolean | undefined;
}

/**
 * Returns the namespace: the same object for all components, as long as client, prefix and options are the same. React
 * forgets what a component remembered when it suspends before its first effect, so components do not keep it.
 */
export function useNamespace<Value = unknown>(prefix: string, options: ValueOptions<Value> = {}): Namespace<Value> {
  const client = useClient();
  const { codec, schema } = options;
  return sharedNamespace(client, prefix, { codec, schema });
}

/** Returns all entries of one revision, whether they may be stale, and since when. */
export function useLive<Value>(namespace: Namespace<Value>, options: LiveOptions<Value> = {}): LiveSnapshot<Value> {
  return useSelected<Value, LiveSnapshot<Value>>(namespace, options, whole);
}

/** Returns one entry, or undefined if it does not exist. Renders again only when this entry changes. */
export function useEntry<Value>(
  namespace: Namespace<Value>,
  key: string,
  options: LiveOptions<Value> = {},
): Entry<Value> | undefined {
  const select = useCallback(({ entries }: LiveSnapshot<Value>) => entries.get(key), [key]);
  return useSelected(namespace, options, select);
}

function useSelected<Value, Selected>(
  namespace: Namespace<Value>,
  { initial, suspense = false }: LiveOptions<Value>,
  select: (snapshot: LiveSnapshot<Value>) => Selected,
): Selected {
  const live = sharedLive(namespace);
  const first = useMemo(() => (initial === undefined ? undefined : snapshotOf(initial)), [initial]);
  // React takes a promise that is thrown as "not yet"; 18 has no `use` for it.
  const pending = suspense && initial === undefined ? live.suspending() : undefined;
  if (pending !== undefined) throw pending;
  const subscribe = useCallback((listener: () => void) => live.subscribe(listener), [live]);
  const read = useCallback(() => select(live.getSnapshot(first)), [live, first, select]);
  return useSyncExternalStore(subscribe, read, read);
}

function whole<Value>(snapshot: LiveSnapshot<Value>): LiveSnapshot<Value> {
  return snapshot;
}
