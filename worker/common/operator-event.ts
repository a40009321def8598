/**
 * One line of JSON in the worker's log for each thing that an operator must know. It names clusters, members, numbers and
 * reasons, and never a key, a value or a token.
 */
import { recordOfKey } from "./cluster-record.ts";

export type EventName =
  | "alarm-cleared"
  | "alarm-raised"
  | "backup"
  | "backup-failed"
  | "cluster-created"
  | "cluster-deleted"
  | "cluster-erase-failed"
  | "leader-elected"
  | "leader-lost"
  | "member-removed"
  | "member-stopped"
  | "peers-refused"
  | "slow-disk"
  | "storage-migrated";

type Fields = Readonly<Record<string, string | number | boolean>>;

const TEXT_LENGTH_MAX = 300;

export function operatorEvent(event: EventName, fields: Fields = {}): void {
  const bounded = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? value.slice(0, TEXT_LENGTH_MAX) : value,
  ]);
  console.log(JSON.stringify({ quorate: event, ...Object.fromEntries(bounded) }));
}

/** The name by which an operator knows a cluster. `clusterName` is CLUSTER_NAME. */
export function shownCluster(clusterName: string): string {
  return recordOfKey(clusterName)?.name ?? clusterName;
}

/** A store that is damaged names the row, and so a key. */
export function withoutRow(reason: string): string {
  return reason.replace(/, row .*/s, "");
}
