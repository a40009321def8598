/** A real member with memory storage behind the real gateway, served by node:http on a port that was free. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gatewayApp } from "../../../src/gateway/app.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { startMember } from "./own-member.ts";

export interface ServedMember {
  readonly endpoint: string;
  readonly services: Services;
  /** Called before each request is served; may answer it itself, and then returns true. */
  intercept: (path: string, response: ServerResponse) => boolean | Promise<boolean>;
  /** Breaks all connections, watches included, and goes on serving. */
  breakConnections(): void;
  close(): Promise<void>;
}

export async function serveMember(): Promise<ServedMember> {
  const { member, services } = await startMember();
  const app = gatewayApp(services);
  const hooks: Pick<ServedMember, "intercept"> = { intercept: () => false };
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      if (await hooks.intercept(incoming.url ?? "", outgoing)) return;
      await answer(await app.fetch(await requestOf(incoming, outgoing)), outgoing);
    })();
  });
  const endpoint = await listen(server);
  return Object.assign(hooks, {
    endpoint,
    services,
    breakConnections: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      member.stop();
    },
  });
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
