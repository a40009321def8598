/** The methods of etcd's Election service. */
import {
  campaignRequestSchema,
  campaignResponseSchema,
  leaderRequestSchema,
  leaderResponseSchema,
  proclaimRequestSchema,
  proclaimResponseSchema,
  resignRequestSchema,
  resignResponseSchema,
} from "./election-schema.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from "./election.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface ElectionRpcs {
  readonly campaign: Rpc<CampaignRequest, CampaignResponse>;
  readonly proclaim: Rpc<ProclaimRequest, ProclaimResponse>;
  readonly leader: Rpc<LeaderRequest, LeaderResponse>;
  readonly observe: Rpc<LeaderRequest, LeaderResponse, "serverStream">;
  readonly resign: Rpc<ResignRequest, ResignResponse>;
}

const SERVICE = "v3electionpb.Election";

export const ELECTION_RPCS: ElectionRpcs = {
  campaign: unary(SERVICE, "Campaign", ["/v3/election/campaign"], campaignRequestSchema, campaignResponseSchema, {
    isPatient: true,
  }),
  proclaim: unary(SERVICE, "Proclaim", ["/v3/election/proclaim"], proclaimRequestSchema, proclaimResponseSchema),
  leader: unary(SERVICE, "Leader", ["/v3/election/leader"], leaderRequestSchema, leaderResponseSchema, {
    isRead: true,
  }),
  observe: serverStream(SERVICE, "Observe", ["/v3/election/observe"], leaderRequestSchema, leaderResponseSchema, {
    isRead: true,
    isPatient: true,
  }),
  resign: unary(SERVICE, "Resign", ["/v3/election/resign"], resignRequestSchema, resignResponseSchema),
};
