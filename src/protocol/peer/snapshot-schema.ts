/** The tables of a state snapshot's records. The row has the numbers of etcd's KeyValue, and its sub-revision. */
import type { Schema } from "../codec/schema.ts";
import { always, bytes, id, int, message, string, unionMessage } from "../codec/schema.ts";
import type { SnapshotBucketRow, SnapshotRecord, SnapshotRow } from "./snapshot.ts";
import { snapshotBucketRow, snapshotRow } from "./snapshot.ts";

const snapshotRowSchema: Schema<SnapshotRow> = message<SnapshotRow>("quorate.SnapshotRow", () => snapshotRow(), {
  key: bytes(1, "key"),
  createRevision: int(2, "create_revision"),
  main: int(3, "mod_revision"),
  version: int(4, "version"),
  value: bytes(5, "value"),
  lease: id(6, "lease", "signed"),
  sub: int(7, "sub_revision"),
});

const snapshotBucketRowSchema: Schema<SnapshotBucketRow> = message<SnapshotBucketRow>(
  "quorate.SnapshotBucketRow",
  () => snapshotBucketRow(),
  { name: string(1, "name"), key: bytes(2, "key"), value: bytes(3, "value") },
);

export const snapshotRecordSchema: Schema<SnapshotRecord> = unionMessage<SnapshotRecord>(
  "quorate.SnapshotRecord",
  "record",
  { type: "none" },
  {
    row: always(1, "row", () => snapshotRowSchema),
    bucket: always(2, "bucket", () => snapshotBucketRowSchema),
  },
);
