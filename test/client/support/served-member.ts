/**
 * A real member with memory storage behind the real gateway, served by node:http on a port that was free; its WebSockets
 * by the package ws.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { gatewayApp } from "../../../src/gateway/app.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { serveMux } from "../../../src/gateway/stream/mux-server.ts";
import { watchOverWebSocket } from "../../../src/gateway/stream/websocket.ts";
import { MUX_PATH, MUX_QUERY } from "../../../src/protocol/mux-frame.ts";
import { startMember } from "./own-member.ts";

export interface ServedMember {
  readonly endpoint: string;
  readonly services: Services;
  /** Called before each request is served; may answer it itself, and then returns true. */
  intercept: (path: string, response: ServerResponse) => boolean | Promise<boolean>;
  /** Which WebSockets are accepted: the one that a client shares, those of watches (as an etcd does), or none. */
  webSockets: "shared" | "watches" | "none";
  /** Requests over HTTP, and connections of WebSockets, since the start. */
  readonly requests: string[];
  /** Connected WebSockets. */
  readonly sockets: number;
  /** Messages of WebSockets: true for one that came in, false for one that went out. */
  readonly messages: boolean[];
  /** Once, the connections break when this method of keys was executed, before its response is sent. */
  breakAfter: "put" | "range" | undefined;
  /** Breaks all connections, watches included, and goes on serving. */
  breakConnections(): void;
  close(): Promise<void>;
}

export async function serveMember(): Promise<ServedMember> {
  const { member, services } = await startMember();
  const app = gatewayApp(services);
  const requests: string[] = [];
  const messages: boolean[] = [];
  const hooks: Pick<ServedMember, "intercept" | "webSockets" | "requests" | "messages" | "breakAfter"> = {
    intercept: () => false,
    webSockets: "shared",
    requests,
    messages,
    breakAfter: undefined,
  };
  const broken = brokenServices(services, (method) => {
    if (hooks.breakAfter !== method) return false;
    hooks.breakAfter = undefined;
    for (const socket of sockets.clients) socket.terminate();
    return true;
  });
  const server = createServer((incoming, outgoing) => {
    requests.push(incoming.url ?? "");
    void (async () => {
      if (await hooks.intercept(incoming.url ?? "", outgoing)) return;
      await answer(await app.fetch(await requestOf(incoming, outgoing)), outgoing);
    })().catch((error: unknown) => {
      // A caller that is gone.
      if (!incoming.destroyed) throw error;
    });
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (incoming: IncomingMessage, raw: Duplex, head: Buffer) => {
    const path = (incoming.url ?? "").replace(MUX_QUERY, "");
    requests.push(path);
    const serve = hooks.webSockets === "none" ? undefined : socketService(broken, path, hooks.webSockets);
    if (serve === undefined) raw.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    else {
      sockets.handleUpgrade(incoming, raw, head, (socket) => {
        const send = socket.send.bind(socket) as (...given: unknown[]) => void;
        socket.on("message", () => messages.push(true));
        socket.send = (...given: unknown[]) => {
          messages.push(false);
          send(...given);
        };
        serve(socket);
      });
    }
  });
  const endpoint = await listen(server);
  const state = Object.defineProperty(hooks, "sockets", { get: () => sockets.clients.size });
  return Object.assign(state as typeof hooks & Pick<ServedMember, "sockets">, {
    endpoint,
    services,
    breakConnections: () => {
      server.closeAllConnections();
      for (const socket of sockets.clients) socket.terminate();
    },
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      member.stop();
    },
  });
}

/** The member's services; a call that `isBroken` says so of never answers. */
function brokenServices(services: Services, isBroken: (method: "put" | "range") => boolean): Services {
  const { kv } = services;
  return {
    ...services,
    kv: {
      ...kv,
      async put(request, context) {
        const response = await kv.put(request, context);
        return isBroken("put") ? new Promise(() => {}) : response;
      },
      async range(request, context) {
        const response = await kv.range(request, context);
        return isBroken("range") ? new Promise(() => {}) : response;
      },
    },
  };
}

function socketService(
  services: Services,
  path: string,
  kind: "shared" | "watches",
): ((socket: WebSocket) => void) | undefined {
  const context = { token: "", requireLeader: false };
  if (kind === "shared" && path === MUX_PATH) {
    return (socket) => serveMux(services, socket, { maxMessageBytes: 1 << 21 }, context);
  }
  if (kind === "watches" && path === "/v3/watch") {
    return (socket) => watchOverWebSocket(services.watch, socket, context, { maxMessageBytes: 1 << 20 });
  }
  return undefined;
}

export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function requestOf(incoming: IncomingMessage, outgoing: ServerResponse): Promise<Request> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) if (typeof value === "string") headers.set(name, value);
  const method = incoming.method ?? "GET";
  const body = method === "GET" || method === "HEAD" ? null : Buffer.concat(chunks);
  return new Request(`http://${incoming.headers.host ?? "localhost"}${incoming.url ?? "/"}`, {
    method,
    headers,
    body,
    signal: gone.signal,
  });
}

async function answer(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  const reader = response.body?.getReader();
  outgoing.on("close", () => void reader?.cancel().catch(() => {}));
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    if (!outgoing.write(part.value)) await new Promise((resolve) => outgoing.once("drain", resolve));
  }
  outgoing.end();
}
