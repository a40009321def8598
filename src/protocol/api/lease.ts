/** Messages of etcd's Lease service. TTLs are in seconds. */
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export interface LeaseGrantRequest {
  readonly ttl: number;
  readonly id: bigint;
}

export function leaseGrantRequest(set?: Partial<LeaseGrantRequest>): LeaseGrantRequest {
  return { ttl: 0, id: 0n, ...set };
}

export interface LeaseGrantResponse {
  readonly header: ResponseHeader;
  readonly id: bigint;
  readonly ttl: number;
  readonly error: string;
}

export function leaseGrantResponse(set?: Partial<LeaseGrantResponse>): LeaseGrantResponse {
  return { header: responseHeader(), id: 0n, ttl: 0, error: "", ...set };
}

export interface LeaseRevokeRequest {
  readonly id: bigint;
}

export function leaseRevokeRequest(set?: Partial<LeaseRevokeRequest>): LeaseRevokeRequest {
  return { id: 0n, ...set };
}

export interface LeaseRevokeResponse {
  readonly header: ResponseHeader;
}

export function leaseRevokeResponse(set?: Partial<LeaseRevokeResponse>): LeaseRevokeResponse {
  return { header: responseHeader(), ...set };
}

export interface LeaseCheckpoint {
  readonly id: bigint;
  readonly remainingTtl: number;
}

export function leaseCheckpoint(set?: Partial<LeaseCheckpoint>): LeaseCheckpoint {
  return { id: 0n, remainingTtl: 0, ...set };
}

export interface LeaseCheckpointRequest {
  readonly checkpoints: readonly LeaseCheckpoint[];
}

export function leaseCheckpointRequest(set?: Partial<LeaseCheckpointRequest>): LeaseCheckpointRequest {
  return { checkpoints: [], ...set };
}

export interface LeaseCheckpointResponse {
  readonly header: ResponseHeader;
}

export function leaseCheckpointResponse(set?: Partial<LeaseCheckpointResponse>): LeaseCheckpointResponse {
  return { header: responseHeader(), ...set };
}

export interface LeaseKeepAliveRequest {
  readonly id: bigint;
}

export function leaseKeepAliveRequest(set?: Partial<LeaseKeepAliveRequest>): LeaseKeepAliveRequest {
  return { id: 0n, ...set };
}

export interface LeaseKeepAliveResponse {
  readonly header: ResponseHeader;
  readonly id: bigint;
  readonly ttl: number;
}

export function leaseKeepAliveResponse(set?: Partial<LeaseKeepAliveResponse>): LeaseKeepAliveResponse {
  return { header: responseHeader(), id: 0n, ttl: 0, ...set };
}

export interface LeaseTimeToLiveRequest {
  readonly id: bigint;
  readonly keys: boolean;
}

export function leaseTimeToLiveRequest(set?: Partial<LeaseTimeToLiveRequest>): LeaseTimeToLiveRequest {
  return { id: 0n, keys: false, ...set };
}

export interface LeaseTimeToLiveResponse {
  readonly header: ResponseHeader;
  readonly id: bigint;
  readonly ttl: number;
  readonly grantedTtl: number;
  readonly keys: readonly Uint8Array[];
}

export function leaseTimeToLiveResponse(set?: Partial<LeaseTimeToLiveResponse>): LeaseTimeToLiveResponse {
  return { header: responseHeader(), id: 0n, ttl: 0, grantedTtl: 0, keys: [], ...set };
}

export interface LeaseLeasesRequest {}

export interface LeaseStatus {
  readonly id: bigint;
}

export function leaseStatus(set?: Partial<LeaseStatus>): LeaseStatus {
  return { id: 0n, ...set };
}

export interface LeaseLeasesResponse {
  readonly header: ResponseHeader;
  readonly leases: readonly LeaseStatus[];
}

export function leaseLeasesResponse(set?: Partial<LeaseLeasesResponse>): LeaseLeasesResponse {
  return { header: responseHeader(), leases: [], ...set };
}

/** A lease as it is stored (`leasepb.Lease`). */
export interface Lease {
  readonly id: bigint;
  readonly ttl: number;
  readonly remainingTtl: number;
}

export function lease(set?: Partial<Lease>): Lease {
  return { id: 0n, ttl: 0, remainingTtl: 0, ...set };
}
