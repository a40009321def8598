/**
 * A `fetch` for a proxy that makes thousands of short calls to one server. Calls share a bounded number of kept-alive
 * connections, and wait if all are in use. A call that may wait for long at the server (a lock, an election) uses the
 * platform's fetch, with a connection of its own, so that it does not block other calls.
 */
import { Agent, request as requestPlain } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as SecureAgent, request as requestSecure } from "node:https";

/** Path suffixes whose responses may take any time, or are streams. */
const WAITING = /\/v3\/(lock\/lock|election\/(campaign|observe)|watch)$/;
/** A server may close a connection that was idle for 5 s (Node's own default). No call may be sent on one. */
const IDLE_MS = 4000;
const NULL_BODY_STATUS: ReadonlySet<number> = new Set([204, 205, 304]);

export function agentFetch(maxConnections: number): typeof fetch {
  const options = { keepAlive: true, maxSockets: maxConnections, timeout: IDLE_MS };
  const plain = new Agent(options);
  const secure = new SecureAgent(options);
  return (input, init = {}) => {
    if (typeof input !== "string" || WAITING.test(input)) return fetch(input, init);
    const url = new URL(input);
    const [request, agent] = url.protocol === "https:" ? [requestSecure, secure] : [requestPlain, plain];
    return new Promise<Response>((resolve, reject) => {
      const { method = "GET", body, signal } = init;
      const headers = Object.fromEntries(new Headers(init.headers));
      const call = request(url, { method, headers, agent, ...(signal ? { signal } : {}) }, (incoming) => {
        received(incoming).then(resolve, fail);
      });
      const fail = (cause: unknown): void => {
        call.destroy();
        // The error of the platform's fetch.
        reject(new TypeError("fetch failed", { cause }));
      };
      call.on("error", fail);
      call.end(typeof body === "string" ? body : undefined);
    });
  };
}

async function received(incoming: IncomingMessage): Promise<Response> {
  const parts: Uint8Array[] = [];
  for await (const part of incoming as AsyncIterable<Uint8Array>) parts.push(part);
  const status = incoming.statusCode ?? 0;
  return new Response(NULL_BODY_STATUS.has(status) ? null : Buffer.concat(parts), { status });
}
