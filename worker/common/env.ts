/** Bindings of the worker, from wrangler.toml and worker/local, or from options (worker/options.ts). */
import { type AllowedOrigins, originsOf } from "../../src/gateway/http/origins.ts";
import { MEMBERS_MAX } from "./identity.ts";
import type { MemberRpc } from "./member-rpc.ts";
import type { RegistryRpc } from "./registry-rpc.ts";
import type { RoomRpc } from "./room-rpc.ts";

export interface Env {
  readonly MEMBERS: DurableObjectNamespace<MemberRpc>;
  /** Undefined: there are no rooms. */
  readonly ROOMS?: DurableObjectNamespace<RoomRpc>;
  /** Files of the page. Undefined: there is no page. */
  readonly ASSETS?: Fetcher;
  /** The list of clusters beside the first one. Undefined: there are none. */
  readonly CLUSTER_REGISTRY?: DurableObjectNamespace<RegistryRpc>;
  /** The first cluster's name, at the root paths. For another cluster: its key (cluster-record.ts). */
  readonly CLUSTER_NAME: string;
  /** Of a cluster whose members are in browser tabs, too: the hash of its room's key (cluster-record.ts). */
  readonly ROOM?: string;
  /** Of the same cluster: the name of its room's object. Undefined where that cannot be reached from the members. */
  readonly ROOM_OBJECT?: string;
  /** Which names other clusters may have: "*" (default), "", or names and patterns; see worker/clusters/allowed-names.ts. */
  readonly CLUSTERS?: string;
  /** Limit of the number of other clusters. Default 100,000. */
  readonly MAX_CLUSTERS?: string;
  /** Number of initial members: "1", "3" or "5". */
  readonly CLUSTER_SIZE: string;
  /** Location hints of the members, the first one's first, separated by commas ("weur,enam,apac"). */
  readonly LOCATIONS?: string;
  /** Where backups are kept. Undefined: there are none. */
  readonly BACKUPS?: R2Bucket;
  /** Number of backups that are kept of each cluster. Default 14. */
  readonly BACKUP_RETENTION?: string;
  /** URL at which clients reach the worker, for the members' client URLs. Without it, members report none. */
  readonly ENDPOINT_URL?: string;
  /** "true": all callers are admitted, without auth too; see entrance.ts. */
  readonly OPEN?: string;
  /** A secret: the token that callers send until auth is enabled. */
  readonly SETUP_TOKEN?: string;
  /** "*" (default), or origins separated by commas; see src/gateway/http/origins.ts. */
  readonly ALLOWED_ORIGINS?: string;
  /** etcd's --host-whitelist: "*" (default), or host names separated by commas; see src/gateway/http/hosts.ts. */
  readonly HOST_WHITELIST?: string;
  /**
   * Pages that may frame the page: none (default), "*", or "self" and origins separated by commas; see
   * security-headers.ts.
   */
  readonly FRAME_ANCESTORS?: string;
  /** etcd's --auth-token: "simple" (default), or "jwt,sign-method=EdDSA,ttl=5m"; see src/member/auth/token-providers.ts. */
  readonly AUTH_TOKEN?: string;
  /** Secrets, for jwt: the private key (PEM, PKCS #8, or the secret of HS256) and, to verify only, the public one (PEM). */
  readonly AUTH_PRIVATE_KEY?: string;
  readonly AUTH_PUBLIC_KEY?: string;
}

/** Returns the number of initial members. */
export function clusterSize(env: Pick<Env, "CLUSTER_SIZE">): number {
  const size = Number(env.CLUSTER_SIZE);
  if (!Number.isInteger(size) || size < 1 || size > MEMBERS_MAX || size % 2 === 0) {
    throw new Error(`CLUSTER_SIZE must be 1, 3 or 5, not ${JSON.stringify(env.CLUSTER_SIZE)}`);
  }
  return size;
}

/** Cloudflare's location hints. The platform accepts other texts too, and ignores them. */
const LOCATION_HINTS: readonly DurableObjectLocationHint[] = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
];

/** Throws if a hint does not exist, or if there are more hints than initial members. */
export function locationsOf(env: Pick<Env, "CLUSTER_SIZE" | "LOCATIONS">): readonly DurableObjectLocationHint[] {
  const names = (env.LOCATIONS ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const hints = names.map((name) => {
    const hint = LOCATION_HINTS.find((known) => known === name);
    if (hint === undefined) {
      throw new Error(`${JSON.stringify(name)} is no location; there are ${LOCATION_HINTS.join(", ")}`);
    }
    return hint;
  });
  const size = clusterSize(env);
  if (hints.length > size) throw new Error(`there are ${hints.length} locations for ${size} members`);
  return hints;
}

/** Options of `get` for a member's object. The platform uses them only when it creates the object. */
export function locationOptions(
  locations: readonly DurableObjectLocationHint[],
  number: number,
): DurableObjectNamespaceGetDurableObjectOptions | undefined {
  const locationHint = locations[number - 1];
  return locationHint === undefined ? undefined : { locationHint };
}

export function allowedOrigins({ ALLOWED_ORIGINS = "*" }: Pick<Env, "ALLOWED_ORIGINS">): AllowedOrigins {
  return originsOf(ALLOWED_ORIGINS);
}
