/** The configuration with which workerd runs one member in a process of its own. */
import { type BuiltWorker, quoted, workerdConfig } from "./workerd-config.ts";
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

export interface MemberConfig extends BuiltWorker {
  readonly clients: Listener;
  readonly peers: Listener;
}

export function memberConfig(config: MemberConfig): string {
  const { clients, peers } = config;
  return workerdConfig(config, {
    services: [
      `(name = "peers", network = (allow = ["public", "private", "local"], tlsOptions = ${outgoing(peers)}))`,
      `(name = "internet", network = (allow = []))`,
    ],
    sockets: [
      `(name = ${quoted(HTTP_SOCKET)}, address = ${address(clients)}, ${protocol(clients)}, service = "quorate")`,
      `(name = "peers", address = ${address(peers)}, ${protocol(peers)}, service = (name = "quorate", entrypoint = "PeerListener"))`,
    ],
    namespaces: [{ binding: "MEMBER", className: "ProcessMember", preventEviction: true }],
    bindings: [`(name = "PEERS", service = "peers")`],
  });
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
