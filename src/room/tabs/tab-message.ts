/**
 * What the tabs of a browser profile tell each other about one room, over a BroadcastChannel that all of them hear. Any
 * page of the origin can send there, of any version.
 */

export type TabMessage =
  /** A tab that waits: who holds the lock? */
  | { readonly type: "ask"; readonly tab: string }
  /** The holder's response. */
  | { readonly type: "held"; readonly tab: string }
  /** A tab that waits opens a channel to the holder, see tab-socket.ts. */
  | { readonly type: "connect"; readonly tab: string; readonly holder: string }
  /** The profile leaves the room, because a person said so in one of its tabs. */
  | { readonly type: "left"; readonly tab: string };

const ID = /^[\da-f-]{8,64}$/;

/** The id of a tab while it has the room open: random, and new each time. */
export function newTabId(): string {
  return crypto.randomUUID();
}

/** Undefined for what is no message. */
export function tabMessage(data: unknown): TabMessage | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { type, tab, holder } = data as Readonly<Record<string, unknown>>;
  if (!isId(tab)) return undefined;
  if (type === "ask" || type === "held" || type === "left") return { type, tab };
  return type === "connect" && isId(holder) ? { type, tab, holder } : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}
