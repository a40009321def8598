/** Reads a namespace that stays up to date. All components of one render see the same revision. */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { Entry } from "../client/app/entry.ts";
import type { LiveSnapshot } from "../client/app/live.ts";
import type { Namespace } from "../client/app/namespace.ts";
import type { List } from "../client/app/namespace-types.ts";
import type { ValueOptions } from "../client/app/schema.ts";
import { useClient } from "./provider.ts";
import { sharedLive, snapshotOf } from "./shared-live.ts";

/** Options of `useLive` and `useEntry`. */
export interface LiveOptions<Value> {
  /** List that the server fetched for its render: shown there, at hydration, and until this client has listed. */
  readonly initial?: List<Value> | undefined;
}

/** Returns the namespace: the same object as long as client, prefix and options are the same. */
export function useNamespace<Value = unknown>(prefix: string, options: ValueOptions<Value> = {}): Namespace<Value> {
  const client = useClient();
  const { codec, schema } = options;
  return useMemo(() => client.namespace(prefix, { codec, schema }), [client, prefix, codec, schema]);
}

/** Returns all entries of one revision, whether they may be stale, and since when. */
export function useLive<Value>(namespace: Namespace<Value>, { initial }: LiveOptions<Value> = {}): LiveSnapshot<Value> {
  return useSelected<Value, LiveSnapshot<Value>>(namespace, initial, whole);
}

/** Returns one entry, or undefined if it does not exist. Renders again only when this entry changes. */
export function useEntry<Value>(
  namespace: Namespace<Value>,
  key: string,
  { initial }: LiveOptions<Value> = {},
): Entry<Value> | undefined {
  const select = useCallback(({ entries }: LiveSnapshot<Value>) => entries.get(key), [key]);
  return useSelected(namespace, initial, select);
}

function useSelected<Value, Selected>(
  namespace: Namespace<Value>,
  initial: List<Value> | undefined,
  select: (snapshot: LiveSnapshot<Value>) => Selected,
): Selected {
  const live = sharedLive(namespace);
  const first = useMemo(() => (initial === undefined ? undefined : snapshotOf(initial)), [initial]);
  const subscribe = useCallback((listener: () => void) => live.subscribe(listener), [live]);
  const read = useCallback(() => select(live.getSnapshot(first)), [live, first, select]);
  return useSyncExternalStore(subscribe, read, read);
}

function whole<Value>(snapshot: LiveSnapshot<Value>): LiveSnapshot<Value> {
  return snapshot;
}
