/** The methods of etcd's Maintenance service. */
import * as schemas from "../schema/maintenance-schema.ts";
import type * as messages from "../maintenance.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface MaintenanceRpcs {
  readonly alarm: Rpc<messages.AlarmRequest, messages.AlarmResponse>;
  readonly status: Rpc<messages.StatusRequest, messages.StatusResponse>;
  readonly defragment: Rpc<messages.DefragmentRequest, messages.DefragmentResponse>;
  readonly hash: Rpc<messages.HashRequest, messages.HashResponse>;
  readonly hashKv: Rpc<messages.HashKvRequest, messages.HashKvResponse>;
  /** Returns the member's data in chunks that are produced on demand. Leaving the loop cancels it. */
  readonly snapshot: Rpc<messages.SnapshotRequest, messages.SnapshotResponse, "serverStream">;
  readonly moveLeader: Rpc<messages.MoveLeaderRequest, messages.MoveLeaderResponse>;
  readonly downgrade: Rpc<messages.DowngradeRequest, messages.DowngradeResponse>;
}

const SERVICE = "etcdserverpb.Maintenance";

export const MAINTENANCE_RPCS: MaintenanceRpcs = {
  alarm: unary(SERVICE, "Alarm", ["/v3/maintenance/alarm"], schemas.alarmRequestSchema, schemas.alarmResponseSchema),
  status: unary(
    SERVICE,
    "Status",
    ["/v3/maintenance/status"],
    schemas.statusRequestSchema,
    schemas.statusResponseSchema,
    {
      isRead: true,
    },
  ),
  defragment: unary(
    SERVICE,
    "Defragment",
    ["/v3/maintenance/defragment"],
    schemas.defragmentRequestSchema,
    schemas.defragmentResponseSchema,
  ),
  hash: unary(SERVICE, "Hash", ["/v3/maintenance/hash"], schemas.hashRequestSchema, schemas.hashResponseSchema, {
    isRead: true,
  }),
  hashKv: unary(
    SERVICE,
    "HashKV",
    ["/v3/maintenance/hashkv"],
    schemas.hashKvRequestSchema,
    schemas.hashKvResponseSchema,
    {
      isRead: true,
    },
  ),
  // All data is read once before the first chunk, to determine its size.
  snapshot: serverStream(
    SERVICE,
    "Snapshot",
    ["/v3/maintenance/snapshot"],
    schemas.snapshotRequestSchema,
    schemas.snapshotResponseSchema,
    { isRead: true, isPatient: true },
  ),
  moveLeader: unary(
    SERVICE,
    "MoveLeader",
    ["/v3/maintenance/transfer-leadership"],
    schemas.moveLeaderRequestSchema,
    schemas.moveLeaderResponseSchema,
  ),
  downgrade: unary(
    SERVICE,
    "Downgrade",
    ["/v3/maintenance/downgrade"],
    schemas.downgradeRequestSchema,
    schemas.downgradeResponseSchema,
  ),
};
