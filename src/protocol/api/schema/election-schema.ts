/** Field tables of the messages in election.ts, with the numbers and names of etcd's .proto files. */
import {
  campaignRequest,
  campaignResponse,
  leaderKey,
  leaderRequest,
  leaderResponse,
  proclaimRequest,
  proclaimResponse,
  resignRequest,
  resignResponse,
} from "../election.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from "../election.ts";
import { header } from "./header-schema.ts";
import { keyValueSchema } from "./kv-schema.ts";
import { bytes, clampedInt, id, message, optional } from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const campaignRequestSchema: Schema<CampaignRequest> = message("v3electionpb.CampaignRequest", campaignRequest, {
  name: bytes(1, "name"),
  lease: id(2, "lease", "signed"),
  value: bytes(3, "value"),
});

export const campaignResponseSchema: Schema<CampaignResponse> = message(
  "v3electionpb.CampaignResponse",
  campaignResponse,
  { header, leader: optional(2, "leader", () => leaderKeySchema) },
);

export const leaderKeySchema: Schema<LeaderKey> = message("v3electionpb.LeaderKey", leaderKey, {
  name: bytes(1, "name"),
  key: bytes(2, "key"),
  rev: clampedInt(3, "rev"),
  lease: id(4, "lease", "signed"),
});

export const leaderRequestSchema: Schema<LeaderRequest> = message("v3electionpb.LeaderRequest", leaderRequest, {
  name: bytes(1, "name"),
});

export const leaderResponseSchema: Schema<LeaderResponse> = message("v3electionpb.LeaderResponse", leaderResponse, {
  header,
  kv: optional(2, "kv", () => keyValueSchema),
});

export const resignRequestSchema: Schema<ResignRequest> = message("v3electionpb.ResignRequest", resignRequest, {
  leader: optional(1, "leader", () => leaderKeySchema),
});

export const resignResponseSchema: Schema<ResignResponse> = message("v3electionpb.ResignResponse", resignResponse, {
  header,
});

export const proclaimRequestSchema: Schema<ProclaimRequest> = message("v3electionpb.ProclaimRequest", proclaimRequest, {
  leader: optional(1, "leader", () => leaderKeySchema),
  value: bytes(2, "value"),
});

export const proclaimResponseSchema: Schema<ProclaimResponse> = message(
  "v3electionpb.ProclaimResponse",
  proclaimResponse,
  { header },
);
