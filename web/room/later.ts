/** What a tab's member serves beside keys, watches and leases: a chunk of its own, see tab-services.ts. */
import type { CoreServices, OtherServices } from "../../src/member/core-services.ts";
import type { TokenProvider } from "../../src/member/credentials.ts";
import { healthChecks } from "../../src/member/health.ts";
import type { Member } from "../../src/member/member.ts";
import { otherServices } from "../../src/member/other-services.ts";
import type { HealthService } from "../../src/member/services.ts";
import { webCryptoPasswords } from "../../src/member/web-crypto-passwords.ts";

export interface LaterServices extends OtherServices {
  readonly health: Omit<HealthService, "metrics">;
}

export function laterServices(member: Member, core: CoreServices, tokens: TokenProvider): LaterServices {
  const others = otherServices(member, core, { tokens, passwords: webCryptoPasswords() });
  return { ...others, health: healthChecks(member) };
}
