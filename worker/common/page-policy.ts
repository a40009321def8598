/** The settings for web pages, parsed once per isolate. */
import { type AllowedHosts, hostsOf } from "../../src/gateway/http/hosts.ts";
import { type OriginPolicy, originPolicy } from "../../src/gateway/http/origins.ts";
import { frameAncestorsOf, type SecurityHeadersOptions } from "../../src/gateway/http/security-headers.ts";
import { allowedOrigins, type Env } from "./env.ts";

export interface PagePolicy {
  readonly hosts: AllowedHosts;
  readonly origins: OriginPolicy;
  readonly headers: SecurityHeadersOptions;
}

const policies = new WeakMap<Env, PagePolicy>();

/** Throws if a setting cannot be parsed. */
export function pagePolicyOf(env: Env): PagePolicy {
  let policy = policies.get(env);
  if (policy === undefined) {
    const allowed = allowedOrigins(env);
    policy = {
      hosts: hostsOf(env.HOST_WHITELIST ?? ""),
      origins: originPolicy(allowed),
      headers: { frameAncestors: frameAncestorsOf(env.FRAME_ANCESTORS ?? ""), isEmbeddable: allowed === "*" },
    };
    policies.set(env, policy);
  }
  return policy;
}
