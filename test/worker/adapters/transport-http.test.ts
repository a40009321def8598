import { env } from "cloudflare:workers";
import type { MemberId } from "../../../src/protocol/peer/raft-message.ts";
import { expect } from "vitest";
import { type Received, transportContract } from "../../contract/transport.ts";
import type { TestCarrier } from "./test-transport.ts";

const { TEST_CARRIERS } = env as unknown as { readonly TEST_CARRIERS: DurableObjectNamespace<TestCarrier> };

transportContract("http between Durable Objects", async () => {
  const world = crypto.randomUUID();
  const transport = (id: MemberId): DurableObjectStub<TestCarrier> =>
    TEST_CARRIERS.get(TEST_CARRIERS.idFromName(`${world} ${id}`));
  return {
    ordered: true,
    garbage: async (_from, to) => {
      expect(await transport(to).raft(new Uint8Array([1, 2]))).toContain("not a batch");
    },
    station: async (id, limits) => {
      const stub = transport(id);
      const maxFrameBytes = await stub.open({ world, id, ...limits });
      return {
        id,
        maxFrameBytes,
        start: () => stub.start(),
        send: (to, frames) => stub.send(to, frames),
        setPeers: (peers) => stub.setPeers(peers),
        received: (count): Promise<readonly Received[]> => stub.received(count),
        greeted: (from, greeting) => stub.greeted(from, greeting),
        observed: (text, times): Promise<readonly string[]> => stub.observed(text, times),
        close: () => stub.close(),
      };
    },
    close: async () => {},
  };
});
