import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { errStopped } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { CALL, Cluster } from "../support/cluster.ts";

const KEYS = 30;

test("a streamed range fails when a snapshot replaces the rows, instead of ending as if it were complete", async () => {
  const cluster = await Cluster.founded(1);
  const { member, services, storage } = await cluster.elected();
  for (let at = 10; at < 10 + KEYS; at++) {
    await cluster.settled(services.kv.put(putRequest({ key: utf8Encode(`a${at}`) }), CALL));
  }
  const range = rangeRequest({ key: utf8Encode("a"), rangeEnd: utf8Encode("b") });
  const parts = services.kv.rangeStream(range, CALL)[Symbol.asyncIterator]();

  const first = await cluster.settled(parts.next());
  member.machine.reopen(storage.tables);

  expect(first.value?.rangeResponse.kvs.length).toBeLessThan(KEYS);
  await expect(cluster.settled(parts.next())).rejects.toBe(errStopped);
});
