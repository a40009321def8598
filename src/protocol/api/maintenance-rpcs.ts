/** The methods of etcd's Maintenance service. */
import {
  alarmRequestSchema,
  alarmResponseSchema,
  defragmentRequestSchema,
  defragmentResponseSchema,
  downgradeRequestSchema,
  downgradeResponseSchema,
  hashKvRequestSchema,
  hashKvResponseSchema,
  hashRequestSchema,
  hashResponseSchema,
  moveLeaderRequestSchema,
  moveLeaderResponseSchema,
  snapshotRequestSchema,
  snapshotResponseSchema,
  statusRequestSchema,
  statusResponseSchema,
} from "./maintenance-schema.ts";
import type {
  AlarmRequest,
  AlarmResponse,
  DefragmentRequest,
  DefragmentResponse,
  DowngradeRequest,
  DowngradeResponse,
  HashKvRequest,
  HashKvResponse,
  HashRequest,
  HashResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from "./maintenance.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface MaintenanceRpcs {
  readonly alarm: Rpc<AlarmRequest, AlarmResponse>;
  readonly status: Rpc<StatusRequest, StatusResponse>;
  readonly defragment: Rpc<DefragmentRequest, DefragmentResponse>;
  readonly hash: Rpc<HashRequest, HashResponse>;
  readonly hashKv: Rpc<HashKvRequest, HashKvResponse>;
  readonly snapshot: Rpc<SnapshotRequest, SnapshotResponse, "serverStream">;
  readonly moveLeader: Rpc<MoveLeaderRequest, MoveLeaderResponse>;
  readonly downgrade: Rpc<DowngradeRequest, DowngradeResponse>;
}

const SERVICE = "etcdserverpb.Maintenance";

export const MAINTENANCE_RPCS: MaintenanceRpcs = {
  alarm: unary(SERVICE, "Alarm", ["/v3/maintenance/alarm"], alarmRequestSchema, alarmResponseSchema),
  status: unary(SERVICE, "Status", ["/v3/maintenance/status"], statusRequestSchema, statusResponseSchema, {
    isRead: true,
  }),
  defragment: unary(
    SERVICE,
    "Defragment",
    ["/v3/maintenance/defragment"],
    defragmentRequestSchema,
    defragmentResponseSchema,
  ),
  hash: unary(SERVICE, "Hash", ["/v3/maintenance/hash"], hashRequestSchema, hashResponseSchema, { isRead: true }),
  hashKv: unary(SERVICE, "HashKV", ["/v3/maintenance/hashkv"], hashKvRequestSchema, hashKvResponseSchema, {
    isRead: true,
  }),
  // All data is gone over before the first part, to tell how much there is.
  snapshot: serverStream(
    SERVICE,
    "Snapshot",
    ["/v3/maintenance/snapshot"],
    snapshotRequestSchema,
    snapshotResponseSchema,
    { isRead: true, isPatient: true },
  ),
  moveLeader: unary(
    SERVICE,
    "MoveLeader",
    ["/v3/maintenance/transfer-leadership"],
    moveLeaderRequestSchema,
    moveLeaderResponseSchema,
  ),
  downgrade: unary(
    SERVICE,
    "Downgrade",
    ["/v3/maintenance/downgrade"],
    downgradeRequestSchema,
    downgradeResponseSchema,
  ),
};
