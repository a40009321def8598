/** The configuration with which workerd runs the built worker on this machine. */

export interface LocalConfig {
  readonly host: string;
  readonly port: number;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  /** Relative to the configuration's folder: workerd embeds no other file. */
  readonly workerFile: string;
  readonly assetsFile: string;
  /** Absolute. */
  readonly pageFolder: string;
  readonly dataFolder: string;
  /** Text bindings of the worker. */
  readonly vars: Readonly<Record<string, string>>;
}

export function workerdConfig(config: LocalConfig): string {
  const vars = Object.entries(config.vars).map(([name, value]) => `(name = ${quoted(name)}, text = ${quoted(value)})`);
  const runtime = `compatibilityDate = ${quoted(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(quoted).join(", ")}],`;
  // The objects' storage is in folders named after their uniqueKey: changing one loses the data.
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "quorate", worker = .quorate),
    (name = "assets", worker = .assets),
    (name = "page", disk = (path = ${quoted(config.pageFolder)})),
    (name = "data", disk = (path = ${quoted(config.dataFolder)}, writable = true)),
  ],
  sockets = [(name = "http", address = ${quoted(`${config.host}:${config.port}`)}, http = (), service = "quorate")],
);

const quorate :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${quoted(config.workerFile)})],
  ${runtime}
  durableObjectNamespaces = [
    (className = "EdgeMember", uniqueKey = "quorate-EdgeMember", enableSql = true),
    (className = "ClusterRegistry", uniqueKey = "quorate-ClusterRegistry", enableSql = true),
    (className = "RoomSignalling", uniqueKey = "quorate-RoomSignalling", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
    (name = "MEMBERS", durableObjectNamespace = "EdgeMember"),
    (name = "CLUSTER_REGISTRY", durableObjectNamespace = "ClusterRegistry"),
    (name = "ROOMS", durableObjectNamespace = "RoomSignalling"),
    (name = "ASSETS", service = "assets"),
    ${vars.join(",\n    ")},
  ],
);

const assets :Workerd.Worker = (
  modules = [(name = "assets.js", esModule = embed ${quoted(config.assetsFile)})],
  ${runtime}
  bindings = [(name = "DISK", service = "page")],
);
`;
}

/** Cap'n Proto has the string syntax of C. */
function quoted(text: string): string {
  const escaped = text.replace(/[\\"]/g, (character) => `\\${character}`).replaceAll("\n", "\\n");
  return `"${escaped}"`;
}
