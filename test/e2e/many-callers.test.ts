/**
 * Calls that go together (worker/lane.ts) in the platform that counts: whose event goes on where is workerd's affair, and
 * what it did wrong there it only did once the code had been compiled, thousands of calls later.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Connection, postRequest } from "../bench/edge/connection.ts";
import { EdgeServer } from "../support/edge-server.ts";

const CALLERS = 64;
const CALLS = 12_000;

test("of many callers at once each gets its own answer, also when others leave", async () => {
  const data = await mkdtemp(join(tmpdir(), "quorate-many-"));
  const server = await EdgeServer.start(data);
  const wrong: string[] = [];
  let calls = 0;
  const post = async (connection: Connection, path: string, message: unknown): Promise<string> => {
    calls += 1;
    const { status, body } = await connection.send(postRequest(`${server.url}${path}`, message));
    if (status !== 200) wrong.push(`${path} was answered ${status}: ${body.toString()}`);
    return body.toString();
  };
  const callOn = async (caller: number): Promise<void> => {
    let connection = await Connection.open(server.url);
    const key = base64(`caller ${caller}`);
    for (let turn = 0; calls < CALLS && wrong.length === 0; turn++) {
      const value = base64(`turn ${turn} of caller ${caller}`);
      await post(connection, "/v3/kv/put", { key, value });
      for (const serializable of [false, true]) {
        const answer = await post(connection, "/v3/kv/range", { key, serializable });
        // Its own state may lag behind; it is never another's.
        const expected = serializable ? `"key":"${key}"` : `"value":"${value}"`;
        if (!answer.includes(expected)) wrong.push(`instead of ${expected}: ${answer}`);
      }
      if (caller % 8 !== 0) continue;
      // Leaves in the middle of a call.
      connection.send(postRequest(`${server.url}/v3/kv/range`, { key })).catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      connection.close();
      connection = await Connection.open(server.url);
    }
    connection.close();
  };
  try {
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => callOn(caller)));
  } finally {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }

  expect(wrong).toEqual([]);
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
