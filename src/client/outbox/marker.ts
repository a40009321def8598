/**
 * The marker: one key per outbox, which every txn of the outbox compares and moves. Its value names the last write that
 * was decided and how, so that whoever lost an answer reads it there. A value is never written twice.
 */
import { toText } from "../common/convert.ts";

export interface Marker {
  /** Seq of the last write that is decided; 0 at the beginning. */
  readonly to: number;
  /** The same for all writes that one txn decided. */
  readonly decision: Decision;
  /** Id of that write. A copied browser profile has the same outbox, and other writes of the same seq. */
  readonly id: string;
  /** Digest of all writes that were decided with it. Absent in markers of older builds. */
  readonly of?: string | undefined;
}

export type Decision = "registered" | "committed" | "refused" | "expired";

const DECISIONS: ReadonlySet<unknown> = new Set<Decision>(["registered", "committed", "refused", "expired"]);

export function markerText({ to, decision, id, of }: Marker): string {
  return JSON.stringify({ to, decision, id, of });
}

/** 32 bits (FNV-1a) of the ids, each of which is random: enough to tell other writes from these. */
export function digestOf(writes: readonly { readonly id: string }[]): string {
  let hash = 0x811c9dc5;
  for (const { id } of writes) {
    for (const char of `${id} `) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}

/** Returns undefined for a value that is none: somebody else has written it. */
export function markerOf(value: Uint8Array | string): Marker | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof value === "string" ? value : toText(value));
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { to, decision, id, of } = parsed as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(to) || !DECISIONS.has(decision) || typeof id !== "string") return undefined;
  if (of !== undefined && typeof of !== "string") return undefined;
  return { to: to as number, decision: decision as Decision, id, of };
}
