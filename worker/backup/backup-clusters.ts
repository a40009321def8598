/** What the cron trigger does: a backup of every cluster, one after the other, and no more of them than are to be kept. */
import type { Cluster, Clusters } from "../clusters/clusters.ts";
import type { Env } from "../common/env.ts";
import { operatorEvent } from "../common/operator-event.ts";
import { type Backup, BackupStore } from "./backup-store.ts";

const RETENTION = 14;

/** Does nothing without a bucket. Never rejects: what went wrong is an event of its cluster. */
export async function backUpAll(clusters: Clusters, env: Env): Promise<void> {
  if (env.BACKUPS === undefined) return;
  await backUp(clusters.first).catch(() => {});
  for await (const cluster of clusters.others()) await backUp(cluster).catch(() => {});
}

/** Writes a backup of one cluster now. Rejects if there is no bucket, or no whole snapshot. */
export async function backUp({ env, balancer, name }: Cluster): Promise<Backup> {
  const { BACKUPS, CLUSTER_NAME } = env;
  if (BACKUPS === undefined) throw new Error("no bucket is bound as BACKUPS");
  try {
    const store = new BackupStore(BACKUPS, CLUSTER_NAME);
    const backup = await store.write(await balancer.snapshot(), Date.now());
    const deleted = await store.keepNewest(retentionOf(env));
    operatorEvent("backup", { cluster: name, name: backup.name, bytes: backup.bytes, deleted });
    return backup;
  } catch (error) {
    operatorEvent("backup-failed", { cluster: name, reason: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** Number of backups that are kept of each cluster. */
function retentionOf({ BACKUP_RETENTION }: Env): number {
  const count = Number(BACKUP_RETENTION ?? RETENTION);
  return Number.isSafeInteger(count) && count > 0 ? count : RETENTION;
}
