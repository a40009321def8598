/**
 * One line of JSON for each thing that an operator must know, in the worker's log. It names clusters, members, numbers
 * and reasons, and never a key, a value or a token.
 */

export type EventName =
  | "backup"
  | "backup-failed"
  | "cluster-created"
  | "cluster-deleted"
  | "cluster-erase-failed"
  | "member-removed"
  | "member-stopped";

type Fields = Readonly<Record<string, string | number | boolean>>;

const TEXT_LENGTH_MAX = 300;

export function operatorEvent(event: EventName, fields: Fields = {}): void {
  const bounded = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? value.slice(0, TEXT_LENGTH_MAX) : value,
  ]);
  console.log(JSON.stringify({ quorate: event, ...Object.fromEntries(bounded) }));
}
