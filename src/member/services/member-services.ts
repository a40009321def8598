/**
 * etcd's services over one member: each from a file of its own, and all behind the interceptors. Promises begin here;
 * the code below uses callbacks only.
 */
import type { Admission } from "./authorizer.ts";
import type { Credentials } from "./auth-service.ts";
import { CallMetrics } from "../metrics/call-metrics.ts";
import { coreServices } from "./core-services.ts";
import { healthService } from "./health.ts";
import { refusingLearner } from "./learner-guard.ts";
import { limitedServices } from "./limited-services.ts";
import type { Member } from "../node/member.ts";
import { confirmLeader } from "../node/requests.ts";
import { memberView } from "./member-view.ts";
import { deferredServices } from "./deferred-services.ts";
import { paced } from "../auth/pace.ts";
import { memberPasswords } from "../auth/passwords.ts";
import type { Services } from "../api/services.ts";
import { simpleTokenProvider } from "../auth/token-providers.ts";

/**
 * Creates all services. What API layers get is authorized; code that holds the member itself is not checked. For
 * `admit` see authorizer.ts.
 */
export function createServices(member: Member, credentials: Partial<Credentials> = {}, admit?: Admission): Services {
  const tokens = credentials.tokens ?? simpleTokenProvider(member.tokens);
  const passwords = credentials.passwords ?? memberPasswords(paced(member.clock), member.settings.bcryptCost);
  const core = coreServices(member, tokens, admit);
  const { kv, watch, lease } = core;
  member.metrics.calls ??= new CallMetrics(() => member.clock.nowMs());
  const all: Services = {
    kv,
    watch,
    lease,
    ...deferredServices(member, core, { tokens, passwords }),
    health: healthService(member),
    inspect: {
      async view() {
        await confirmLeader(member);
        return memberView(member);
      },
    },
  };
  const services = member.metrics.calls.counted(limitedServices(all, member));
  return member.settings.learnersRefuse ? refusingLearner(services, member) : services;
}
