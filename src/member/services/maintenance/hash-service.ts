/** Hashes of a member's data, and defragmentation. */
import { crc32c } from "../../../base/crc32c.ts";
import { compareBytes, latin1ToBytes } from "../../../base/bytes.ts";
import { hashKvResponse, hashResponse } from "../../../protocol/api/maintenance.ts";
import type { KeyValueHash } from "../../../mvcc/hash.ts";
import { FINISHED_COMPACT } from "../../../mvcc/tables/meta.ts";
import { BUCKET_NAMES } from "../../../mvcc/tables/tables.ts";
import type { StateTables } from "../../../mvcc/tables/tables.ts";
import type { Member } from "../../node/member.ts";
import { checkLeader, checkServing } from "../../node/requests.ts";
import type { MaintenanceService } from "../../api/services.ts";

const STEP_ROWS = 1_000;

export function hashService(member: Member): Pick<MaintenanceService, "defragment" | "hash" | "hashKv"> {
  return {
    async hashKv({ revision }, context) {
      checkLeader(member, context);
      await compactionHashed(member, revision);
      const { store } = member.machine;
      const hash = store.compactionHash(revision) ?? (await hashOf(member, revision));
      checkServing(member);
      return hashKvResponse({ header: member.header(member.machine.store.revision), ...hash });
    },
    async hash(_request, context) {
      checkLeader(member, context);
      const { hash } = await hashOf(member, 0);
      checkServing(member);
      const whole = hashBuckets(member.tables, hash);
      return hashResponse({ header: member.header(member.machine.store.revision), hash: whole });
    },
    async defragment(_request, context) {
      checkLeader(member, context);
      await new Promise<void>((resolve) => {
        member.defragment(resolve);
      });
      checkServing(member);
      return { header: undefined };
    },
  };
}

/**
 * Computes the hash of a compaction that was just made. So a caller right after a compaction waits for its hash, as in
 * etcd, which is seldom slower.
 */
async function compactionHashed(member: Member, revision: number): Promise<void> {
  while (member.machine.store.hashCompaction(revision, STEP_ROWS)) {
    await new Promise<void>((resolve) => {
      member.clock.setTimer(0, resolve);
    });
  }
}

function hashOf(member: Member, revision: number): Promise<KeyValueHash> {
  return new Promise((resolve, reject: (error: Error) => void) => {
    member.hashQueue.request(revision, (outcome) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(outcome.error);
    });
  });
}

/** Hashes everything, as etcd's Hash does. As in etcd, it can be compared only on the same member. */
function hashBuckets(tables: StateTables, keys: number): number {
  let hash = keys;
  for (const name of [...BUCKET_NAMES].sort()) {
    hash = crc32c(latin1ToBytes(name), hash);
    tables.bucket(name).scan((key, value) => {
      // The progress of physical compaction is not part of the data.
      if (name === "meta" && compareBytes(key, FINISHED_COMPACT) === 0) return true;
      hash = crc32c(value, crc32c(key, hash));
      return true;
    });
  }
  return hash;
}
