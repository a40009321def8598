/**
 * The services that every member has from its start. The others (deferred-services.ts) use them; a page loads those a
 * little later (room/tab-services.ts).
 */
import { Authorizer, type Admission } from "./authorizer.ts";
import type { TokenProvider } from "../auth/credentials.ts";
import { authorizedKv, authorizedLease, authorizedWatch } from "./auth-interceptors.ts";
import { kvService } from "./kv-service.ts";
import { leaseService } from "./lease-service.ts";
import type { Member } from "../node/member.ts";
import { withQuota } from "./quota-guard.ts";
import type { Services } from "../api/services.ts";
import { resumedStreams, watchStreams } from "./watch-streams.ts";

export interface CoreServices extends Pick<Services, "kv" | "watch" | "lease"> {
  /** Authorizes the calls of all other services. */
  readonly authorizer: Authorizer;
}

export type DeferredServices = Pick<Services, "lock" | "election" | "auth" | "cluster" | "maintenance">;

export function coreServices(member: Member, tokens: TokenProvider, admit?: Admission): CoreServices {
  const authorizer = new Authorizer(member, tokens, admit);
  const { kv, lease } = withQuota(member, {
    kv: authorizedKv(kvService(member, authorizer), authorizer),
    lease: authorizedLease(leaseService(member), authorizer),
  });
  return { kv, lease, watch: authorizedWatch(watchStreams(member), resumedStreams(member), authorizer), authorizer };
}
