/** A tab's services before there is a member: its client is made with them, and loads parts of itself later. */
import { expect, test } from "vitest";
import { deferred } from "../../src/client/common/deferred.ts";
import { createClient } from "../../src/client/client.ts";
import { switchableServices } from "../../src/room/common/switchable-services.ts";

test("a watch that is opened before there is a member says so, and does not wait for ever: no service is taken for a promise", async () => {
  const { services } = switchableServices(() => {
    throw new Error("nobody asks for a view");
  });
  const client = createClient(services);
  const told = deferred<Error>();
  client.watch("key", { onDisconnect: told.resolve });
  expect((await told.promise).message).toBe("this tab's member has not started yet");
  client.close();
});
