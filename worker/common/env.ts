/** What wrangler.toml and worker/local bind to the worker. */
import { type AllowedOrigins, originsOf } from "../../src/gateway/http/origins.ts";
import { MEMBERS_MAX } from "./identity.ts";
import type { MemberRpc } from "./member-rpc.ts";
import type { RoomSignalling } from "../signalling/signalling.ts";

export interface Env {
  readonly MEMBERS: DurableObjectNamespace<MemberRpc>;
  readonly ROOMS: DurableObjectNamespace<RoomSignalling>;
  readonly ASSETS: Fetcher;
  readonly CLUSTER_NAME: string;
  /** "1", "3" or "5". */
  readonly CLUSTER_SIZE: string;
  /** Where clients reach the worker, for the members' client URLs; without it, members say none. */
  readonly ENDPOINT_URL?: string;
  /** "true": everybody may use it, without auth too; see entrance.ts. */
  readonly OPEN?: string;
  /** A secret: what its owner shows until auth is enabled. */
  readonly SETUP_TOKEN?: string;
  /** "*" (default), or origins separated by commas; see src/gateway/http/origins.ts. */
  readonly ALLOWED_ORIGINS?: string;
  /** etcd's --host-whitelist: "*" (default), or host names separated by commas; see src/gateway/http/hosts.ts. */
  readonly HOST_WHITELIST?: string;
  /** Who may frame the page: nobody (default), "*", or "self" and origins separated by commas; see security-headers.ts. */
  readonly FRAME_ANCESTORS?: string;
  /** etcd's --auth-token: "simple" (default), or "jwt,sign-method=EdDSA,ttl=5m"; see src/member/auth/token-providers.ts. */
  readonly AUTH_TOKEN?: string;
  /** Secrets, for jwt: the private key (PEM, PKCS #8, or the secret of HS256) and, to verify only, the public one (PEM). */
  readonly AUTH_PRIVATE_KEY?: string;
  readonly AUTH_PUBLIC_KEY?: string;
}

/** How many members the cluster is founded with. */
export function clusterSize(env: Env): number {
  const size = Number(env.CLUSTER_SIZE);
  if (!Number.isInteger(size) || size < 1 || size > MEMBERS_MAX || size % 2 === 0) {
    throw new Error(`CLUSTER_SIZE must be 1, 3 or 5, not ${JSON.stringify(env.CLUSTER_SIZE)}`);
  }
  return size;
}

export function allowedOrigins({ ALLOWED_ORIGINS = "*" }: Env): AllowedOrigins {
  return originsOf(ALLOWED_ORIGINS);
}
