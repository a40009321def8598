/** What every configuration of workerd for the built worker has: its modules, the page, and the folder of its data. */

export interface BuiltWorker {
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

/** Lists of Cap'n Proto values, beside those that every configuration has. */
export interface WorkerdParts {
  readonly services: readonly string[];
  readonly sockets: readonly string[];
  readonly namespaces: readonly DurableObjectNamespace[];
  readonly bindings: readonly string[];
}

export interface DurableObjectNamespace {
  readonly binding: string;
  readonly className: string;
  readonly preventEviction?: boolean;
}

/** Returns the text of a configuration whose service `quorate` is the built worker. */
export function workerdConfig(worker: BuiltWorker, parts: WorkerdParts): string {
  const runtime = `compatibilityDate = ${quoted(worker.compatibilityDate)},
  compatibilityFlags = [${worker.compatibilityFlags.map(quoted).join(", ")}],`;
  const services = [
    `(name = "quorate", worker = .quorate)`,
    `(name = "assets", worker = .assets)`,
    `(name = "page", disk = (path = ${quoted(worker.pageFolder)}))`,
    `(name = "data", disk = (path = ${quoted(worker.dataFolder)}, writable = true))`,
    ...parts.services,
  ];
  const bindings = [
    ...parts.namespaces.map(
      ({ binding, className }) => `(name = ${quoted(binding)}, durableObjectNamespace = ${quoted(className)})`,
    ),
    `(name = "ASSETS", service = "assets")`,
    ...parts.bindings,
    ...Object.entries(worker.vars).map(([name, value]) => `(name = ${quoted(name)}, text = ${quoted(value)})`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = ${list(services)},
  sockets = ${list(parts.sockets)},
);

const quorate :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${quoted(worker.workerFile)})],
  ${runtime}
  durableObjectNamespaces = ${list(parts.namespaces.map(namespace))},
  durableObjectStorage = (localDisk = "data"),
  bindings = ${list(bindings)},
);

const assets :Workerd.Worker = (
  modules = [(name = "assets.js", esModule = embed ${quoted(worker.assetsFile)})],
  ${runtime}
  bindings = [(name = "DISK", service = "page")],
);
`;
}

/** Quotes a text. Cap'n Proto has the string syntax of C. */
export function quoted(text: string): string {
  const escaped = text
    .replace(/[\\"]/g, (character) => `\\${character}`)
    .replaceAll("\r", "")
    .replaceAll("\n", "\\n");
  return `"${escaped}"`;
}

/** An object's storage is in a folder named after its uniqueKey: changing it loses the data. */
function namespace({ className, preventEviction }: DurableObjectNamespace): string {
  const eviction = preventEviction === true ? ", preventEviction = true" : "";
  return `(className = ${quoted(className)}, uniqueKey = ${quoted(`quorate-${className}`)}, enableSql = true${eviction})`;
}

function list(items: readonly string[]): string {
  return `[\n${items.map((item) => `    ${item},\n`).join("")}  ]`;
}
