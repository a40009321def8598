/** A change of a key, as a watch tells it. */
import type { KeyValue } from "./key-value.ts";

export type EventType = "PUT" | "DELETE";

export interface Event {
  readonly type: EventType;
  readonly kv: KeyValue | undefined;
  readonly prevKv: KeyValue | undefined;
}

export function event(set?: Partial<Event>): Event {
  return { type: "PUT", kv: undefined, prevKv: undefined, ...set };
}
