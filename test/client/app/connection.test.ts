/** The connection's state follows the sockets of its client. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { connect } from "../../../src/entry/index.ts";

test("an endpoint that is gone under a client with nothing but a watch is told as disconnected", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const client = connect({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  try {
    const accepted = once(server, "connection");
    void client.watch("key");
    const [socket] = (await accepted) as [{ terminate(): void }];
    await vi.waitFor(() => expect(client.connection.getSnapshot().state).toBe("connected"));
    server.close();
    socket.terminate();
    await vi.waitFor(() => expect(client.connection.getSnapshot().state).toBe("disconnected"), { timeout: 10_000 });
  } finally {
    void client.close();
    server.close();
  }
});
