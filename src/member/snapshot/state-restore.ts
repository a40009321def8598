/**
 * Builds the state of a new cluster from the chunks of a snapshot. The chunks come from outside, so only records that a
 * snapshot may contain are accepted, and rows only in order. The new cluster determines its members itself.
 */
import { bytesToLatin1, concatBytes, EMPTY_BYTES, equalBytes } from "../../base/bytes.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { leaseSchema } from "../../protocol/api/schema/lease-schema.ts";
import { decode } from "../../protocol/codec/proto-codec.ts";
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import type { SnapshotBucketRow, SnapshotRow } from "../../protocol/peer/snapshot.ts";
import { LeaseTable } from "../../lease/lease-table.ts";
import { SCHEDULED_COMPACT } from "../../mvcc/tables/meta.ts";
import { Store } from "../../mvcc/store.ts";
import type { RevisionRow, StateTables } from "../../mvcc/tables/tables.ts";
import { writeMembership } from "../membership/membership.ts";
import { readChunk, writeRecord } from "./snapshot-codec.ts";
import { SAME_BUCKETS } from "./snapshot-file.ts";

const ATTACHED_PER_STEP = 1_000;
const LEASE_KEY_BYTES = 9;

export class StateRestore {
  readonly #tables: StateTables;
  #main: number = 0;
  #sub: number = 0;

  /** `tables` are empty and not in use yet. */
  constructor(tables: StateTables) {
    this.#tables = tables;
  }

  /** Writes a chunk. Throws DecodeError if it contains what a snapshot does not; the tables are then unusable. */
  take(chunk: Uint8Array): void {
    readChunk(chunk, (record) => {
      if (record.type === "row") this.#checkRow(record.row);
      else if (record.type === "bucket") checkBucketRow(record.bucket);
      else throw new DecodeError("an unknown record");
      writeRecord(this.#tables, record);
    });
  }

  /** Writes the voters of the new cluster, and its shape if it is that of a room. Returns its first revision. */
  finish(members: readonly MemberRecord[], shape?: ClusterShape): number {
    const leases = new LeaseTable(this.#tables.bucket("lease"), NOBODY_LISTENS);
    const { revision } = new Store(this.#tables, leases);
    this.#attach(leases, revision);
    writeMembership(this.#tables, members, shape);
    return revision;
  }

  #checkRow({ key, main, sub, version, createRevision }: SnapshotRow): void {
    const follows = main > this.#main || (main === this.#main && sub > this.#sub);
    if (main < 1 || !follows) throw new DecodeError("a row is out of order");
    if (key.length === 0) throw new DecodeError("a row has no key");
    if (version > 0 ? createRevision < 1 || createRevision > main : createRevision !== 0) {
      throw new DecodeError("a row was made after it was written");
    }
    this.#main = main;
    this.#sub = sub;
  }

  /** Attaches keys to their leases. Only the keys' rows name their lease. */
  #attach(leases: LeaseTable, revision: number): void {
    let from: Uint8Array | undefined = EMPTY_BYTES;
    while (from !== undefined) {
      const found: RevisionRow[] = [];
      let last: Uint8Array | undefined;
      let visited = 0;
      this.#tables.keys.scan(from, undefined, revision, false, (row) => {
        if (row.lease !== 0n) found.push(row);
        last = row.key;
        visited += 1;
        return visited < ATTACHED_PER_STEP;
      });
      for (const { lease, key } of found) if (leases.exists(lease)) leases.attach(lease, key);
      from = visited < ATTACHED_PER_STEP || last === undefined ? undefined : concatBytes(last, new Uint8Array(1));
    }
  }
}

const NOBODY_LISTENS = { granted: (): void => {}, revoked: (): void => {}, checkpointed: (): void => {} };

function checkBucketRow({ name, key, value }: SnapshotBucketRow): void {
  if (SAME_BUCKETS.some((known) => known === name)) return;
  if (name === "meta" && equalBytes(key, SCHEDULED_COMPACT) && value.length === 8) return;
  if (name === "lease" && key.length === LEASE_KEY_BYTES && key[0] === 0) {
    const { id } = decode(leaseSchema, value);
    if (new DataView(key.buffer, key.byteOffset).getBigInt64(1) === id && id !== 0n) return;
  }
  throw new DecodeError(`a snapshot has no such row in ${JSON.stringify(name)}: ${bytesToLatin1(key)}`);
}
