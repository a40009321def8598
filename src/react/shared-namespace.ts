/** One namespace object per client, prefix and options, as long as somebody uses it. */
import type { ApplicationClient } from "../client/app/application-client.ts";
import type { Namespace } from "../client/app/namespace.ts";
import type { ValueOptions } from "../client/app/schema.ts";

interface Known {
  readonly codec: unknown;
  readonly schema: unknown;
  readonly namespace: WeakRef<Namespace<unknown>>;
}

const known: WeakMap<ApplicationClient, Map<string, readonly Known[]>> = new WeakMap();

/** Above this many prefixes those of which no namespace is used are forgotten. */
const PREFIXES_MAX = 256;

export function sharedNamespace<Value>(
  client: ApplicationClient,
  prefix: string,
  { codec, schema }: ValueOptions<Value>,
): Namespace<Value> {
  const prefixes = known.get(client) ?? new Map<string, readonly Known[]>();
  known.set(client, prefixes);
  if (prefixes.size > PREFIXES_MAX) sweep(prefixes);
  const alive = (prefixes.get(prefix) ?? []).filter(({ namespace }) => namespace.deref() !== undefined);
  const same = alive.find((each) => each.codec === codec && each.schema === schema)?.namespace.deref();
  if (same !== undefined) return same as Namespace<Value>;
  const made = client.namespace<Value>(prefix, { codec, schema });
  prefixes.set(prefix, [...alive, { codec, schema, namespace: new WeakRef(made) }]);
  return made;
}

function sweep(prefixes: Map<string, readonly Known[]>): void {
  for (const [prefix, each] of prefixes) {
    if (each.every(({ namespace }) => namespace.deref() === undefined)) prefixes.delete(prefix);
  }
}
