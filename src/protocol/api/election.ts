/** Messages of etcd's Election service. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";
import type { KeyValue } from "./kv.ts";

export interface CampaignRequest {
  readonly name: Uint8Array;
  readonly lease: bigint;
  readonly value: Uint8Array;
}

export function campaignRequest(set?: Partial<CampaignRequest>): CampaignRequest {
  return { name: EMPTY_BYTES, lease: 0n, value: EMPTY_BYTES, ...set };
}

/** Proof of leadership: the campaign's key, its creation revision and the lease that the key is attached to. */
export interface LeaderKey {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly rev: number;
  readonly lease: bigint;
}

export function leaderKey(set?: Partial<LeaderKey>): LeaderKey {
  return { name: EMPTY_BYTES, key: EMPTY_BYTES, rev: 0, lease: 0n, ...set };
}

export interface CampaignResponse {
  readonly header: ResponseHeader;
  readonly leader: LeaderKey | undefined;
}

export function campaignResponse(set?: Partial<CampaignResponse>): CampaignResponse {
  return { header: responseHeader(), leader: undefined, ...set };
}

export interface LeaderRequest {
  readonly name: Uint8Array;
}

export function leaderRequest(set?: Partial<LeaderRequest>): LeaderRequest {
  return { name: EMPTY_BYTES, ...set };
}

export interface LeaderResponse {
  readonly header: ResponseHeader;
  readonly kv: KeyValue | undefined;
}

export function leaderResponse(set?: Partial<LeaderResponse>): LeaderResponse {
  return { header: responseHeader(), kv: undefined, ...set };
}

export interface ResignRequest {
  readonly leader: LeaderKey | undefined;
}

export function resignRequest(set?: Partial<ResignRequest>): ResignRequest {
  return { leader: undefined, ...set };
}

export interface ResignResponse {
  readonly header: ResponseHeader;
}

export function resignResponse(set?: Partial<ResignResponse>): ResignResponse {
  return { header: responseHeader(), ...set };
}

export interface ProclaimRequest {
  readonly leader: LeaderKey | undefined;
  readonly value: Uint8Array;
}

export function proclaimRequest(set?: Partial<ProclaimRequest>): ProclaimRequest {
  return { leader: undefined, value: EMPTY_BYTES, ...set };
}

export interface ProclaimResponse {
  readonly header: ResponseHeader;
}

export function proclaimResponse(set?: Partial<ProclaimResponse>): ProclaimResponse {
  return { header: responseHeader(), ...set };
}
