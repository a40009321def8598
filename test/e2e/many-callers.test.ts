/**
 * Calls that share requests (worker/calls/request-batcher.ts) on the platform that counts, thousands of them: in whose event a call goes on is
 * workerd's affair, and a client that leaves takes its event along.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Connection, postRequest } from "../bench/edge/connection.ts";
import { EdgeServer } from "../support/edge-server.ts";

const CALLERS = 96;
const TURNS = 20;

test("many concurrent callers each get their own response, also when others disconnect", async () => {
  const data = await mkdtemp(join(tmpdir(), "quorate-many-"));
  const server = await EdgeServer.start(data);
  const wrong: string[] = [];
  const post = async (connection: Connection, path: string, message: unknown): Promise<string> => {
    const { status, body } = await connection.send(postRequest(`${server.url}${path}`, message));
    if (status !== 200) wrong.push(`${path} was answered ${status}: ${body.toString()}`);
    return body.toString();
  };
  const callOn = async (caller: number): Promise<void> => {
    let connection = await Connection.open(server.url);
    const key = base64(`caller ${caller}`);
    for (let turn = 0; turn < TURNS && wrong.length === 0; turn++) {
      const value = base64(`turn ${turn} of caller ${caller}`);
      await post(connection, "/v3/kv/put", { key, value });
      for (const serializable of [false, true]) {
        const answer = await post(connection, "/v3/kv/range", { key, serializable });
        // A member's own state may lag behind; another's key it is never.
        const expected = serializable ? `"key":"${key}"` : `"value":"${value}"`;
        const isOld = serializable && !answer.includes('"kvs"');
        if (!isOld && !answer.includes(expected)) wrong.push(`instead of ${expected}: ${answer}`);
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
