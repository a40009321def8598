/** Field tables of the messages in maintenance.ts, with the numbers and names of etcd's .proto files. */
import {
  alarmMember,
  alarmRequest,
  alarmResponse,
  defragmentResponse,
  downgradeInfo,
  downgradeRequest,
  downgradeResponse,
  downgradeVersionTestRequest,
  hashKvRequest,
  hashKvResponse,
  hashResponse,
  healthCheckRequest,
  healthCheckResponse,
  moveLeaderRequest,
  moveLeaderResponse,
  snapshotResponse,
  statusResponse,
} from "../maintenance.ts";
import type {
  AlarmAction,
  AlarmMember,
  AlarmRequest,
  AlarmResponse,
  AlarmType,
  DefragmentRequest,
  DefragmentResponse,
  DowngradeAction,
  DowngradeInfo,
  DowngradeRequest,
  DowngradeResponse,
  DowngradeVersionTestRequest,
  HashKvRequest,
  HashKvResponse,
  HashRequest,
  HashResponse,
  HealthCheckRequest,
  HealthCheckResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  ServingStatus,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from "../maintenance.ts";
import { header, responseHeaderSchema } from "./header-schema.ts";
import {
  always,
  bool,
  bytes,
  clampedInt,
  id,
  int,
  message,
  openEnum,
  optional,
  repeated,
  string,
  uint,
  uint32,
} from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const alarmRequestSchema: Schema<AlarmRequest> = message("etcdserverpb.AlarmRequest", alarmRequest, {
  action: openEnum<AlarmAction>(1, "action", ["GET", "ACTIVATE", "DEACTIVATE"]),
  memberId: id(2, "memberID", "unsigned"),
  alarm: openEnum<AlarmType>(3, "alarm", ["NONE", "NOSPACE", "CORRUPT"]),
});

export const alarmMemberSchema: Schema<AlarmMember> = message("etcdserverpb.AlarmMember", alarmMember, {
  memberId: id(1, "memberID", "unsigned"),
  alarm: openEnum<AlarmType>(2, "alarm", ["NONE", "NOSPACE", "CORRUPT"]),
});

export const alarmResponseSchema: Schema<AlarmResponse> = message("etcdserverpb.AlarmResponse", alarmResponse, {
  header,
  alarms: repeated(always(2, "alarms", () => alarmMemberSchema)),
});

export const statusRequestSchema: Schema<StatusRequest> = message("etcdserverpb.StatusRequest", () => ({}), {});

export const downgradeInfoSchema: Schema<DowngradeInfo> = message("etcdserverpb.DowngradeInfo", downgradeInfo, {
  enabled: bool(1, "enabled"),
  targetVersion: string(2, "targetVersion"),
});

export const statusResponseSchema: Schema<StatusResponse> = message("etcdserverpb.StatusResponse", statusResponse, {
  header,
  version: string(2, "version"),
  dbSize: int(3, "dbSize"),
  leader: id(4, "leader", "unsigned"),
  raftIndex: uint(5, "raftIndex"),
  raftTerm: uint(6, "raftTerm"),
  raftAppliedIndex: uint(7, "raftAppliedIndex"),
  errors: repeated(string(8, "errors")),
  dbSizeInUse: int(9, "dbSizeInUse"),
  isLearner: bool(10, "isLearner"),
  storageVersion: string(11, "storageVersion"),
  dbSizeQuota: int(12, "dbSizeQuota"),
  downgradeInfo: optional(13, "downgradeInfo", () => downgradeInfoSchema),
});

export const defragmentRequestSchema: Schema<DefragmentRequest> = message(
  "etcdserverpb.DefragmentRequest",
  () => ({}),
  {},
);

export const defragmentResponseSchema: Schema<DefragmentResponse> = message(
  "etcdserverpb.DefragmentResponse",
  defragmentResponse,
  { header: optional(1, "header", () => responseHeaderSchema) },
);

export const hashRequestSchema: Schema<HashRequest> = message("etcdserverpb.HashRequest", () => ({}), {});

export const hashResponseSchema: Schema<HashResponse> = message("etcdserverpb.HashResponse", hashResponse, {
  header,
  hash: uint32(2, "hash"),
});

export const hashKvRequestSchema: Schema<HashKvRequest> = message("etcdserverpb.HashKVRequest", hashKvRequest, {
  revision: clampedInt(1, "revision"),
});

export const hashKvResponseSchema: Schema<HashKvResponse> = message("etcdserverpb.HashKVResponse", hashKvResponse, {
  header,
  hash: uint32(2, "hash"),
  compactRevision: int(3, "compact_revision"),
  hashRevision: int(4, "hash_revision"),
});

export const snapshotRequestSchema: Schema<SnapshotRequest> = message("etcdserverpb.SnapshotRequest", () => ({}), {});

export const snapshotResponseSchema: Schema<SnapshotResponse> = message(
  "etcdserverpb.SnapshotResponse",
  snapshotResponse,
  {
    header: optional(1, "header", () => responseHeaderSchema),
    remainingBytes: uint(2, "remaining_bytes"),
    blob: bytes(3, "blob"),
    version: string(4, "version"),
  },
);

export const moveLeaderRequestSchema: Schema<MoveLeaderRequest> = message(
  "etcdserverpb.MoveLeaderRequest",
  moveLeaderRequest,
  { targetId: id(1, "targetID", "unsigned") },
);

export const moveLeaderResponseSchema: Schema<MoveLeaderResponse> = message(
  "etcdserverpb.MoveLeaderResponse",
  moveLeaderResponse,
  { header: optional(1, "header", () => responseHeaderSchema) },
);

export const downgradeRequestSchema: Schema<DowngradeRequest> = message(
  "etcdserverpb.DowngradeRequest",
  downgradeRequest,
  { action: openEnum<DowngradeAction>(1, "action", ["VALIDATE", "ENABLE", "CANCEL"]), version: string(2, "version") },
);

export const downgradeResponseSchema: Schema<DowngradeResponse> = message(
  "etcdserverpb.DowngradeResponse",
  downgradeResponse,
  { header, version: string(2, "version") },
);

export const downgradeVersionTestRequestSchema: Schema<DowngradeVersionTestRequest> = message(
  "etcdserverpb.DowngradeVersionTestRequest",
  downgradeVersionTestRequest,
  { ver: string(1, "ver") },
);

export const healthCheckRequestSchema: Schema<HealthCheckRequest> = message(
  "grpc.health.v1.HealthCheckRequest",
  healthCheckRequest,
  { service: string(1, "service") },
);

export const healthCheckResponseSchema: Schema<HealthCheckResponse> = message(
  "grpc.health.v1.HealthCheckResponse",
  healthCheckResponse,
  { status: openEnum<ServingStatus>(1, "status", ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]) },
);
