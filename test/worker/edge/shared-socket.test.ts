/** The one WebSocket of a client's calls and watches, to members in workerd. */
import { expect, test } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { edge } from "../support/edge-kit.ts";
import { EdgeWebSocket } from "../support/edge-web-socket.ts";

test("calls and a watch share one WebSocket to a member, and nothing goes over HTTP beside it", async () => {
  const requests: string[] = [];
  const services = httpServices({
    endpoint: "http://edge",
    WebSocket: EdgeWebSocket,
    fetch: (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      requests.push(pathname);
      return edge(pathname, init);
    },
  });
  const client = createClient(services);
  const watcher = client.watch("shared/", { prefix: true });
  await watcher.created;
  await Promise.all(Array.from({ length: 256 }, (_, at) => client.kv.put(`shared/${at}`, "v")));
  const { count } = await client.kv.range("shared/", { prefix: true, countOnly: true });
  let events = 0;
  while (events < 256) events += (await watcher.next()).value?.events.length ?? 0;
  client.close();
  services.close();
  expect(count).toBe(256);
  expect(requests).toEqual([]);
});
