/** Messages of etcd's Cluster service, and the membership records in the log. */
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export function member(set?: Partial<Member>): Member {
  return { id: 0n, name: "", peerUrls: [], clientUrls: [], isLearner: false, ...set };
}

export interface MemberAddRequest {
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}

export function memberAddRequest(set?: Partial<MemberAddRequest>): MemberAddRequest {
  return { peerUrls: [], isLearner: false, ...set };
}

export interface MemberAddResponse {
  readonly header: ResponseHeader;
  readonly member: Member | undefined;
  readonly members: readonly Member[];
}

export function memberAddResponse(set?: Partial<MemberAddResponse>): MemberAddResponse {
  return { header: responseHeader(), member: undefined, members: [], ...set };
}

export interface MemberRemoveRequest {
  readonly id: bigint;
}

export function memberRemoveRequest(set?: Partial<MemberRemoveRequest>): MemberRemoveRequest {
  return { id: 0n, ...set };
}

export interface MemberRemoveResponse {
  readonly header: ResponseHeader;
  readonly members: readonly Member[];
}

export function memberRemoveResponse(set?: Partial<MemberRemoveResponse>): MemberRemoveResponse {
  return { header: responseHeader(), members: [], ...set };
}

export interface MemberUpdateRequest {
  readonly id: bigint;
  readonly peerUrls: readonly string[];
}

export function memberUpdateRequest(set?: Partial<MemberUpdateRequest>): MemberUpdateRequest {
  return { id: 0n, peerUrls: [], ...set };
}

export interface MemberUpdateResponse {
  readonly header: ResponseHeader;
  readonly members: readonly Member[];
}

export function memberUpdateResponse(set?: Partial<MemberUpdateResponse>): MemberUpdateResponse {
  return { header: responseHeader(), members: [], ...set };
}

export interface MemberListRequest {
  readonly linearizable: boolean;
}

export function memberListRequest(set?: Partial<MemberListRequest>): MemberListRequest {
  return { linearizable: false, ...set };
}

export interface MemberListResponse {
  readonly header: ResponseHeader;
  readonly members: readonly Member[];
}

export function memberListResponse(set?: Partial<MemberListResponse>): MemberListResponse {
  return { header: responseHeader(), members: [], ...set };
}

export interface MemberPromoteRequest {
  readonly id: bigint;
}

export function memberPromoteRequest(set?: Partial<MemberPromoteRequest>): MemberPromoteRequest {
  return { id: 0n, ...set };
}

export interface MemberPromoteResponse {
  readonly header: ResponseHeader;
  readonly members: readonly Member[];
}

export function memberPromoteResponse(set?: Partial<MemberPromoteResponse>): MemberPromoteResponse {
  return { header: responseHeader(), members: [], ...set };
}

/** `membershippb.RaftAttributes`. */
export interface RaftAttributes {
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}

export function raftAttributes(set?: Partial<RaftAttributes>): RaftAttributes {
  return { peerUrls: [], isLearner: false, ...set };
}

/** `membershippb.Attributes`. */
export interface MemberAttributes {
  readonly name: string;
  readonly clientUrls: readonly string[];
}

export function memberAttributes(set?: Partial<MemberAttributes>): MemberAttributes {
  return { name: "", clientUrls: [], ...set };
}

/** `membershippb.Member`, as it is stored and as a configuration change contains it. */
export interface MembershipMember {
  readonly id: bigint;
  readonly raftAttributes: RaftAttributes | undefined;
  readonly memberAttributes: MemberAttributes | undefined;
}

export function membershipMember(set?: Partial<MembershipMember>): MembershipMember {
  return { id: 0n, raftAttributes: undefined, memberAttributes: undefined, ...set };
}

export interface ClusterVersionSetRequest {
  readonly ver: string;
}

export function clusterVersionSetRequest(set?: Partial<ClusterVersionSetRequest>): ClusterVersionSetRequest {
  return { ver: "", ...set };
}

export interface ClusterMemberAttrSetRequest {
  readonly memberId: bigint;
  readonly memberAttributes: MemberAttributes | undefined;
}

export function clusterMemberAttrSetRequest(set?: Partial<ClusterMemberAttrSetRequest>): ClusterMemberAttrSetRequest {
  return { memberId: 0n, memberAttributes: undefined, ...set };
}

export interface DowngradeInfoSetRequest {
  readonly enabled: boolean;
  readonly ver: string;
}

export function downgradeInfoSetRequest(set?: Partial<DowngradeInfoSetRequest>): DowngradeInfoSetRequest {
  return { enabled: false, ver: "", ...set };
}
