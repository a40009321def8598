/** Messages of etcd's Maintenance service, and of gRPC's health service beside it. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export type AlarmType = "NONE" | "NOSPACE" | "CORRUPT" | number;
export type AlarmAction = "GET" | "ACTIVATE" | "DEACTIVATE" | number;

export interface AlarmRequest {
  readonly action: AlarmAction;
  readonly memberId: bigint;
  readonly alarm: AlarmType;
}

export function alarmRequest(set?: Partial<AlarmRequest>): AlarmRequest {
  return { action: "GET", memberId: 0n, alarm: "NONE", ...set };
}

export interface AlarmMember {
  readonly memberId: bigint;
  readonly alarm: AlarmType;
}

export function alarmMember(set?: Partial<AlarmMember>): AlarmMember {
  return { memberId: 0n, alarm: "NONE", ...set };
}

export interface AlarmResponse {
  readonly header: ResponseHeader;
  readonly alarms: readonly AlarmMember[];
}

export function alarmResponse(set?: Partial<AlarmResponse>): AlarmResponse {
  return { header: responseHeader(), alarms: [], ...set };
}

export interface StatusRequest {}

export interface DowngradeInfo {
  readonly enabled: boolean;
  readonly targetVersion: string;
}

export function downgradeInfo(set?: Partial<DowngradeInfo>): DowngradeInfo {
  return { enabled: false, targetVersion: "", ...set };
}

export interface StatusResponse {
  readonly header: ResponseHeader;
  readonly version: string;
  readonly dbSize: number;
  readonly leader: bigint;
  readonly raftIndex: number;
  readonly raftTerm: number;
  readonly raftAppliedIndex: number;
  readonly errors: readonly string[];
  readonly dbSizeInUse: number;
  readonly isLearner: boolean;
  readonly storageVersion: string;
  readonly dbSizeQuota: number;
  readonly downgradeInfo: DowngradeInfo | undefined;
}

export function statusResponse(set?: Partial<StatusResponse>): StatusResponse {
  return {
    header: responseHeader(),
    version: "",
    dbSize: 0,
    leader: 0n,
    raftIndex: 0,
    raftTerm: 0,
    raftAppliedIndex: 0,
    errors: [],
    dbSizeInUse: 0,
    isLearner: false,
    storageVersion: "",
    dbSizeQuota: 0,
    downgradeInfo: undefined,
    ...set,
  };
}

export interface DefragmentRequest {}

/** etcd sends no header here. */
export interface DefragmentResponse {
  readonly header: ResponseHeader | undefined;
}

export function defragmentResponse(set?: Partial<DefragmentResponse>): DefragmentResponse {
  return { header: undefined, ...set };
}

export interface HashRequest {}

export interface HashResponse {
  readonly header: ResponseHeader;
  readonly hash: number;
}

export function hashResponse(set?: Partial<HashResponse>): HashResponse {
  return { header: responseHeader(), hash: 0, ...set };
}

export interface HashKvRequest {
  readonly revision: number;
}

export function hashKvRequest(set?: Partial<HashKvRequest>): HashKvRequest {
  return { revision: 0, ...set };
}

export interface HashKvResponse {
  readonly header: ResponseHeader;
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

export function hashKvResponse(set?: Partial<HashKvResponse>): HashKvResponse {
  return { header: responseHeader(), hash: 0, compactRevision: 0, hashRevision: 0, ...set };
}

export interface SnapshotRequest {}

/** etcd sends no header here. */
export interface SnapshotResponse {
  readonly header: ResponseHeader | undefined;
  readonly remainingBytes: number;
  readonly blob: Uint8Array;
  readonly version: string;
}

export function snapshotResponse(set?: Partial<SnapshotResponse>): SnapshotResponse {
  return { header: undefined, remainingBytes: 0, blob: EMPTY_BYTES, version: "", ...set };
}

export interface MoveLeaderRequest {
  readonly targetId: bigint;
}

export function moveLeaderRequest(set?: Partial<MoveLeaderRequest>): MoveLeaderRequest {
  return { targetId: 0n, ...set };
}

/** etcd sends no header here. */
export interface MoveLeaderResponse {
  readonly header: ResponseHeader | undefined;
}

export function moveLeaderResponse(set?: Partial<MoveLeaderResponse>): MoveLeaderResponse {
  return { header: undefined, ...set };
}

export type DowngradeAction = "VALIDATE" | "ENABLE" | "CANCEL" | number;

export interface DowngradeRequest {
  readonly action: DowngradeAction;
  readonly version: string;
}

export function downgradeRequest(set?: Partial<DowngradeRequest>): DowngradeRequest {
  return { action: "VALIDATE", version: "", ...set };
}

export interface DowngradeResponse {
  readonly header: ResponseHeader;
  readonly version: string;
}

export function downgradeResponse(set?: Partial<DowngradeResponse>): DowngradeResponse {
  return { header: responseHeader(), version: "", ...set };
}

export interface DowngradeVersionTestRequest {
  readonly ver: string;
}

export function downgradeVersionTestRequest(set?: Partial<DowngradeVersionTestRequest>): DowngradeVersionTestRequest {
  return { ver: "", ...set };
}

export type ServingStatus = "UNKNOWN" | "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN" | number;

export interface HealthCheckRequest {
  readonly service: string;
}

export function healthCheckRequest(set?: Partial<HealthCheckRequest>): HealthCheckRequest {
  return { service: "", ...set };
}

export interface HealthCheckResponse {
  readonly status: ServingStatus;
}

export function healthCheckResponse(set?: Partial<HealthCheckResponse>): HealthCheckResponse {
  return { status: "UNKNOWN", ...set };
}
