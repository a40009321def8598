/**
 * Those of a member's services that every member has from its first moment on. The others (other-services.ts) stand on
 * them; a page loads those a little later (web/room/tab-services.ts).
 */
import { Access, type Admission } from "./access.ts";
import type { TokenProvider } from "../auth/credentials.ts";
import { guardedKv, guardedLease, guardedWatch } from "./guard.ts";
import { kvService } from "./kv-service.ts";
import { leaseService } from "./lease-service.ts";
import type { Member } from "../node/member.ts";
import { withQuota } from "./quota-guard.ts";
import type { Services } from "../api/services.ts";
import { watchStreams } from "./watch-streams.ts";

export interface CoreServices extends Pick<Services, "kv" | "watch" | "lease"> {
  /** Who asks for whatever is not among these three. */
  readonly access: Access;
}

export type OtherServices = Pick<Services, "lock" | "election" | "auth" | "cluster" | "maintenance">;

export function coreServices(member: Member, tokens: TokenProvider, admit?: Admission): CoreServices {
  const access = new Access(member, tokens, admit);
  const { kv, lease } = withQuota(member, {
    kv: guardedKv(kvService(member, access), access),
    lease: guardedLease(leaseService(member), access),
  });
  return { kv, lease, watch: guardedWatch(watchStreams(member), access), access };
}
