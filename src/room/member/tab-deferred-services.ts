/** What a tab's member serves beside keys, watches and leases: a chunk of its own, see tab-services.ts. */
import type { CoreServices, DeferredServices } from "../../member/services/core-services.ts";
import type { TokenProvider } from "../../member/auth/credentials.ts";
import { healthChecks } from "../../member/services/health.ts";
import type { Member } from "../../member/node/member.ts";
import { deferredServices } from "../../member/services/deferred-services.ts";
import type { HealthService } from "../../member/api/services.ts";
import { tabPasswords } from "./tab-passwords.ts";

export interface TabDeferredServices extends DeferredServices {
  readonly health: Omit<HealthService, "metrics">;
}

export function tabDeferredServices(member: Member, core: CoreServices, tokens: TokenProvider): TabDeferredServices {
  const passwords = tabPasswords(member);
  const others = deferredServices(member, core, { tokens, passwords });
  return { ...others, health: healthChecks(member) };
}
