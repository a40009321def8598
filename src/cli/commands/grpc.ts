/** `quorate grpc`: serves etcd's gRPC API on a port of this machine, for clients that speak nothing else. */
import { readFile } from "node:fs/promises";
import { EtcdError } from "../../client/client.ts";
import type { GrpcProxy, GrpcProxyOptions, TlsFiles } from "../../grpc/proxy.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { ExitCode } from "../common/exit-codes.ts";
import type { Terminal } from "../output/terminal.ts";

const DEFAULT_LISTEN = "127.0.0.1:2379";

export const grpcCommand: Command = {
  name: "grpc",
  usage: "[options]",
  summary: "Serves etcd's gRPC and passes everything on to the endpoint: for etcdctl and etcd's client libraries.",
  details: `
It runs until it is interrupted. Clients bring their own tokens, so --token and --user are of no use here. While auth is
off, a closed endpoint wants its setup token, which etcd's clients cannot show: with --setup-token the proxy shows it for
those who bring no token. Whoever reaches the proxy may then do what the token's holder may.`,
  options: {
    "setup-token": {
      type: "string",
      value: "TOKEN",
      help: "shown to a closed endpoint for clients without a token; default $QUORATE_SETUP_TOKEN",
    },
    listen: { type: "string", value: "HOST:PORT", help: `where to listen; default ${DEFAULT_LISTEN}` },
    cert: { type: "string", value: "FILE", help: "certificate (PEM) to serve TLS with; needs --key" },
    key: { type: "string", value: "FILE", help: "its private key (PEM)" },
    "max-request-bytes": { type: "string", value: "N", help: "one request; default 1572864, as the endpoint's" },
    "advertise-client-urls": {
      type: "string",
      value: "URL|LIST",
      help: "where clients find the members: NAME=URL,NAME=URL; default this proxy, for all",
    },
    "client-ca": { type: "string", value: "FILE", help: "serve only clients with a certificate from this CA (PEM)" },
  },
  examples: [
    "quorate grpc --endpoint http://localhost:8787",
    "etcdctl --endpoints 127.0.0.1:2379 get --prefix ''",
    "quorate grpc --endpoint https://quorate.example --cluster staging --setup-token TOKEN",
    "quorate grpc --listen 0.0.0.0:2379 --cert server.pem --key server-key.pem --client-ca ca.pem",
  ],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  if (input.positionals.length > 0) throw new UsageError("grpc takes no arguments");
  for (const name of ["token", "user"]) {
    if (input.text(name) !== undefined) throw new UsageError(`grpc takes no --${name}: clients bring their own`);
  }
  const endpoint = endpointOf(input, terminal.env);
  const listen = listenAddress(input.text("listen") ?? DEFAULT_LISTEN);
  const limits = requestBytes(input);
  const tls = await tlsFiles(input);
  const urls = advertisedUrls(input);
  // Imported here, because grpc-js takes longer to load than other commands take to run.
  const { startGrpcProxy } = await import("../../grpc/proxy.ts");
  const { endpointServices } = await import("../../grpc/endpoint-services.ts");
  const { advertised } = await import("../../grpc/advertised.ts");
  const token = setupToken(input, terminal);
  const behind = endpointServices({ endpoint, token, timeoutMs: input.milliseconds("timeout", 10_000) });
  const own: { url: string } = { url: "" };
  const cluster = advertised(behind.cluster, (name) => urls.get(name) ?? urls.get("") ?? own.url);
  const services = { ...behind, cluster };
  let proxy: GrpcProxy;
  try {
    proxy = await startGrpcProxy({ services, listen, ...limits, ...(tls === undefined ? {} : { tls }) });
  } catch (error) {
    terminal.writeError(`quorate: cannot listen at ${listen}: ${(error as Error).message}\n`);
    return ExitCode.refused;
  }
  const host = listen.slice(0, listen.lastIndexOf(":"));
  // As etcd, which advertises localhost when it listens on all addresses.
  own.url = `${tls === undefined ? "http" : "https"}://${host === "0.0.0.0" ? "localhost" : host}:${proxy.port}`;
  const interrupted = new Promise<void>((resolve) => {
    terminal.onInterrupt(resolve);
  });
  await terminal.write(`etcd's gRPC at ${host}:${proxy.port} (${securityOf(tls)}), served by ${endpoint}\n`);
  await services.maintenance.status({}, { token, requireLeader: false }).catch((error: unknown) => {
    if (!(error instanceof EtcdError)) throw error;
    terminal.writeError(`quorate: the endpoint does not serve yet: ${error.message}\n`);
  });
  await interrupted;
  await proxy.close();
  behind.close();
  return ExitCode.ok;
}

/** A WebSocket sends it as a subprotocol, which HTTP allows these characters. */
function setupToken(input: Input, terminal: Terminal): string {
  const token = input.text("setup-token") ?? terminal.env["QUORATE_SETUP_TOKEN"] ?? "";
  if (/^[\w!#$%&'*+.^`|~-]*$/.test(token)) return token;
  throw new UsageError("grpc can show a setup token of letters, digits and !#$%&'*+-.^_`|~ only");
}

/** Without a host, all addresses of this machine, as etcd's clients and servers read it. */
function listenAddress(text: string): string {
  const [, host, port] = /^(?:https?:\/\/)?(.*):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new UsageError(`--listen takes HOST:PORT such as ${DEFAULT_LISTEN}, not "${text}"`);
  }
  return `${host === "" ? "0.0.0.0" : host}:${port}`;
}

/** URLs by member name. That of "" is for all other members. */
function advertisedUrls(input: Input): ReadonlyMap<string, string> {
  const text = input.text("advertise-client-urls");
  if (text === undefined) return new Map();
  return new Map(
    text.split(",").map((part) => {
      const [, name = "", url] = /^(?:([^=:/]+)=)?(https?:\/\/[^/\s]+)$/.exec(part) ?? [];
      if (url === undefined) {
        throw new UsageError(
          `--advertise-client-urls takes http://HOST:PORT or NAME=http://HOST:PORT,…, not "${part}"`,
        );
      }
      return [name, url];
    }),
  );
}

function requestBytes(input: Input): Pick<GrpcProxyOptions, "maxRequestBytes"> {
  const text = input.text("max-request-bytes");
  if (text === undefined) return {};
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new UsageError(`--max-request-bytes takes a number, not "${text}"`);
  return { maxRequestBytes: Number(text) };
}

async function tlsFiles(input: Input): Promise<TlsFiles | undefined> {
  const [cert, key, clientCa] = [input.text("cert"), input.text("key"), input.text("client-ca")];
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new UsageError("TLS needs both --cert and --key");
  const pair = { cert: await readPem("cert", cert), key: await readPem("key", key) };
  return clientCa === undefined ? pair : { ...pair, clientCa: await readPem("client-ca", clientCa) };
}

async function readPem(option: string, path: string): Promise<Buffer> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw new UsageError(`--${option} cannot be read: ${(error as Error).message}`);
  });
  if (!pem.includes("-----BEGIN ")) throw new UsageError(`--${option} ${path} is not in PEM`);
  return pem;
}

function securityOf(tls: TlsFiles | undefined): string {
  if (tls === undefined) return "in the clear";
  return tls.clientCa === undefined ? "TLS" : "TLS, clients with a certificate only";
}
