/** The methods of etcd's Election service. */
import * as schemas from "../schema/election-schema.ts";
import type * as messages from "../election.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface ElectionRpcs {
  /** Waits until the caller is elected. Aborting `context.signal` withdraws the candidate. */
  readonly campaign: Rpc<messages.CampaignRequest, messages.CampaignResponse>;
  readonly proclaim: Rpc<messages.ProclaimRequest, messages.ProclaimResponse>;
  readonly leader: Rpc<messages.LeaderRequest, messages.LeaderResponse>;
  readonly observe: Rpc<messages.LeaderRequest, messages.LeaderResponse, "serverStream">;
  readonly resign: Rpc<messages.ResignRequest, messages.ResignResponse>;
}

const SERVICE = "v3electionpb.Election";

export const ELECTION_RPCS: ElectionRpcs = {
  campaign: unary(
    SERVICE,
    "Campaign",
    ["/v3/election/campaign"],
    schemas.campaignRequestSchema,
    schemas.campaignResponseSchema,
    {
      isPatient: true,
    },
  ),
  proclaim: unary(
    SERVICE,
    "Proclaim",
    ["/v3/election/proclaim"],
    schemas.proclaimRequestSchema,
    schemas.proclaimResponseSchema,
  ),
  leader: unary(SERVICE, "Leader", ["/v3/election/leader"], schemas.leaderRequestSchema, schemas.leaderResponseSchema, {
    isRead: true,
  }),
  observe: serverStream(
    SERVICE,
    "Observe",
    ["/v3/election/observe"],
    schemas.leaderRequestSchema,
    schemas.leaderResponseSchema,
    {
      isRead: true,
      isPatient: true,
    },
  ),
  resign: unary(SERVICE, "Resign", ["/v3/election/resign"], schemas.resignRequestSchema, schemas.resignResponseSchema),
};
