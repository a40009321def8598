/** The configuration with which workerd runs one member in a process of its own. */
import { HTTP_SOCKET } from "./workerd-process.ts";

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Undefined: in the clear. */
  readonly certificate?: Certificate | undefined;
  /** Admits only connections with a certificate of this authority. */
  readonly clientCa?: string | undefined;
}

export interface MemberConfig {
  readonly clients: Listener;
  readonly peers: Listener;
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

export function memberConfig(config: MemberConfig): string {
  const { clients, peers } = config;
  const vars = Object.entries(config.vars).map(([name, value]) => `(name = ${quoted(name)}, text = ${quoted(value)})`);
  const runtime = `compatibilityDate = ${quoted(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(quoted).join(", ")}],`;
  // The object's storage is in a folder named after its uniqueKey: changing it loses the data.
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "quorate", worker = .quorate),
    (name = "assets", worker = .assets),
    (name = "page", disk = (path = ${quoted(config.pageFolder)})),
    (name = "data", disk = (path = ${quoted(config.dataFolder)}, writable = true)),
    (name = "peers", network = (allow = ["public", "private", "local"], tlsOptions = ${outgoing(peers)})),
    (name = "internet", network = (allow = [])),
  ],
  sockets = [
    (name = ${quoted(HTTP_SOCKET)}, address = ${address(clients)}, ${protocol(clients)}, service = "quorate"),
    (name = "peers", address = ${address(peers)}, ${protocol(peers)}, service = (name = "quorate", entrypoint = "PeerListener")),
  ],
);

const quorate :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${quoted(config.workerFile)})],
  ${runtime}
  durableObjectNamespaces = [
    (className = "ProcessMember", uniqueKey = "quorate-ProcessMember", enableSql = true, preventEviction = true),
  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
    (name = "MEMBER", durableObjectNamespace = "ProcessMember"),
    (name = "PEERS", service = "peers"),
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

function address({ host, port }: Listener): string {
  return quoted(`${host}:${port}`);
}

function protocol({ certificate, clientCa }: Listener): string {
  if (certificate === undefined) return "http = ()";
  const required =
    clientCa === undefined ? "" : `, requireClientCerts = true, trustedCertificates = [${quoted(clientCa)}]`;
  return `https = (options = (), tlsOptions = (${keypair(certificate)}${required}))`;
}

/** A member shows the others the certificate that it listens with. */
function outgoing({ certificate, clientCa }: Listener): string {
  const parts = [
    ...(certificate === undefined ? [] : [keypair(certificate)]),
    ...(clientCa === undefined ? ["trustBrowserCas = true"] : [`trustedCertificates = [${quoted(clientCa)}]`]),
  ];
  return `(${parts.join(", ")})`;
}

function keypair({ cert, key }: Certificate): string {
  return `keypair = (privateKey = ${quoted(key)}, certificateChain = ${quoted(cert)})`;
}

/** Cap'n Proto has the string syntax of C. */
function quoted(text: string): string {
  const escaped = text
    .replace(/[\\"]/g, (character) => `\\${character}`)
    .replaceAll("\r", "")
    .replaceAll("\n", "\\n");
  return `"${escaped}"`;
}
