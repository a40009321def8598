/** How the front's calls look at the endpoint. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, Server } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { listen } from "../client/support/served-member.ts";

let server: Server;
let endpoint: string;
let upgraded: Promise<IncomingHttpHeaders>;

beforeEach(async () => {
  server = createServer();
  upgraded = new Promise((resolve) => {
    server.on("upgrade", ({ headers }, socket) => {
      resolve(headers);
      socket.destroy();
    });
  });
  endpoint = await listen(server);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test.each([true, false])(
  "a stream of watches takes its token and its wish for a leader along: %j",
  async (requireLeader) => {
    const { watch } = endpointServices({ endpoint, timeoutMs: 1000 });
    const stream = watch.watch({ token: "a.1", requireLeader });
    const headers = await upgraded;
    expect(headers["sec-websocket-protocol"]).toMatch(/^Bearer, ?a\.1$/);
    expect(headers["grpc-metadata-hasleader"]).toBe(requireLeader ? "true" : undefined);
    await expect(stream.next()).rejects.toThrow(`no connection to ${endpoint}`);
  },
);
