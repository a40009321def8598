/** Validates the options of an embedding worker and merges them with its variables. */
import { allowedNames } from "./clusters/allowed-names.ts";
import { isClusterName } from "./common/cluster-record.ts";
import { type Env, locationsOf } from "./common/env.ts";
import { MEMBERS_MAX } from "./common/identity.ts";
import type { Authorize, BindingNames, QuorateOptions } from "./options.ts";

export interface CheckedOptions<WorkerEnv extends object> {
  readonly prefix: string;
  readonly authorize: Authorize<WorkerEnv> | undefined;
  /** Throws a TypeError if a binding or the cluster's name is missing, or a variable is not valid. */
  readonly environment: (env: WorkerEnv) => Env;
}

type Known = Readonly<Record<string, unknown>>;

const OPTIONS: ReadonlySet<string> = new Set([
  ..."cluster clusters prefix members locations authorize bindings".split(" "),
]);
const BINDINGS: ReadonlySet<string> = new Set(["members", "registry", "rooms", "assets"]);
const PREFIX = /^\/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*\/)*$/;

/** Throws a TypeError that says which option is not valid, and why. */
export function checkedOptions<WorkerEnv extends object>(
  options: QuorateOptions<WorkerEnv>,
): CheckedOptions<WorkerEnv> {
  checkNames(options, OPTIONS, "option");
  const { cluster, clusters, prefix = "/", members, locations, authorize, bindings = {} } = options;
  checkNames(bindings, BINDINGS, "binding");
  if (cluster !== undefined && !(typeof cluster === "string" && isClusterName(cluster))) {
    throw new TypeError(`cluster is a name of letters, digits, ".", "_" and "-", not ${shown(cluster)}`);
  }
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) {
    throw new TypeError(`prefix begins and ends with a slash, as "/quorate/", and is not ${shown(prefix)}`);
  }
  if (members !== undefined && members !== 1 && members !== 3 && members !== 5) {
    throw new TypeError(`members is 1, 3 or 5, not ${shown(members)}`);
  }
  if (authorize !== undefined && typeof authorize !== "function") throw new TypeError("authorize is a function");
  if (locations !== undefined && !Array.isArray(locations))
    throw new TypeError("locations is a list of location hints");
  if (clusters !== undefined) {
    if (typeof clusters !== "string") throw new TypeError("clusters is a list of names, as one text");
    allowedNames(clusters);
  }
  const fixed = {
    ...(clusters === undefined ? {} : { CLUSTERS: clusters }),
    ...(cluster === undefined ? {} : { CLUSTER_NAME: cluster }),
    ...(members === undefined ? {} : { CLUSTER_SIZE: String(members) }),
    ...(locations === undefined ? {} : { LOCATIONS: locations.join(",") }),
  };
  // Reported when the worker starts. The number of members may be in a variable, which is not known yet.
  if (locations !== undefined)
    locationsOf({ LOCATIONS: locations.join(","), CLUSTER_SIZE: String(members ?? MEMBERS_MAX) });
  return { prefix, authorize, environment: (env) => environmentOf(env as Known, fixed, bindings) };
}

function environmentOf(env: Known, fixed: Partial<Env>, names: BindingNames): Env {
  const { members = "MEMBERS", registry = "CLUSTER_REGISTRY", rooms = "ROOMS", assets } = names;
  const settings = { CLUSTER_SIZE: "3", ...env, ...fixed };
  if (typeof (settings as Known)["CLUSTER_NAME"] !== "string") {
    throw new TypeError("the cluster has no name: say quorate({ cluster }), or the variable CLUSTER_NAME");
  }
  if (String((settings as Known)["CLUSTER_NAME"]).startsWith("/")) {
    throw new TypeError("CLUSTER_NAME begins with a slash, as the other clusters' own names do");
  }
  return {
    ...settings,
    CLUSTER_REGISTRY: env[registry],
    MEMBERS: bound(env, members, "EdgeMember"),
    ROOMS: env[rooms],
    ASSETS: assets === undefined ? undefined : bound(env, assets),
  } as unknown as Env;
}

function bound(env: Known, name: string, className?: string): unknown {
  const binding = env[name];
  if (typeof binding === "object" && binding !== null) return binding;
  const how = className === undefined ? "" : `: bind the Durable Object class ${className} under this name`;
  throw new TypeError(`the worker has no binding ${name}${how}`);
}

function checkNames(given: object, known: ReadonlySet<string>, what: string): void {
  for (const name of Object.keys(given)) {
    if (!known.has(name)) throw new TypeError(`there is no ${what} ${name}; there are ${[...known].join(", ")}`);
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
