/**
 * The state of a new incarnation of a room: what a snapshot holds, in a cluster of a new id with one member of a new id.
 * Members of the former incarnation cannot mix with it: their frames name another cluster.
 */
import { concatAll, equalBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import type { Member } from "../../member/node/member.ts";
import { snapshotStateOf } from "../../member/services/maintenance/snapshot-service.ts";
import { snapshotSources } from "../../member/snapshot/snapshot-file.ts";
import { inspectFile, restoreChunks } from "../../member/snapshot/snapshot-import.ts";
import { StateRestore } from "../../member/snapshot/state-restore.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { member as memberRecord } from "../../protocol/api/cluster.ts";
import { BoltReader } from "../../protocol/bbolt/bolt-reader.ts";
import { BoltWriter } from "../../protocol/bbolt/bolt-writer.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import type { Identity } from "../../storage/storage.ts";

const HASH_BYTES = 32;
const BLOCK_BYTES = 512;

/** A snapshot of what this very member has applied. Auth does not protect it from whoever has its disk. */
export function ownSnapshot(member: Member): Uint8Array {
  const writer = new BoltWriter(snapshotSources(snapshotStateOf(member)));
  while (writer.measure());
  return concatAll([...writer.pages()]);
}

/**
 * Checks the snapshot, and returns what writes its state to empty tables. Revisions go on above `revisionMin`, so that
 * watches of this tab's clients notice that history was replaced. Throws DecodeError for what is no snapshot.
 */
export function incarnationOf(
  snapshot: Uint8Array,
  identity: Identity,
  revisionMin: number,
): (tables: StateTables) => void {
  const file = withoutHash(snapshot);
  const reader = new BoltReader({
    sizeBytes: file.length,
    read: (at, length) => file.subarray(at, at + length),
  });
  const facts = inspectFile(reader);
  const bumpRevision = facts.revision < revisionMin ? revisionMin - facts.revision + 1 : 0;
  const members = [memberRecord({ id: identity.memberId, name: identity.name })];
  return (tables) => {
    const state = new StateRestore(tables);
    for (const chunk of restoreChunks(reader, facts, { bumpRevision, authOff: false })) state.take(chunk);
    state.finish(members);
  };
}

function withoutHash(snapshot: Uint8Array): Uint8Array {
  if (snapshot.length % BLOCK_BYTES !== HASH_BYTES) return snapshot;
  const file = snapshot.subarray(0, -HASH_BYTES);
  const hash = new Sha256();
  hash.update(file);
  if (equalBytes(hash.digest(), snapshot.subarray(-HASH_BYTES))) return file;
  throw new DecodeError("the snapshot is damaged: its SHA-256 does not fit");
}
