/** The doors of the running product, tried from a raw socket by whoever sends what no HTTP library would. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeFrame } from "../../src/protocol/peer/frame.ts";
import type { FrameBody } from "../../src/protocol/peer/frame-schema.ts";
import { decodeBatch, encodeBatch } from "../../src/transport/http-batch.ts";
import { clusterIdOf, memberIdOf } from "../../worker/common/identity.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { type HostileRequest, hostileRequests, requestBytes } from "../support/hostile-requests.ts";

const CLUSTER = "quorate";
const [FIRST, SECOND] = [memberIdOf(CLUSTER, 1), memberIdOf(CLUSTER, 2)];

let folder: string;
let server: EdgeServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-door-"));
  server = await EdgeServer.start(folder);
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Uint8Array;
}

/** Member 2 said this, if anybody believes it: that it leads in a far term. */
const FORGED: FrameBody = {
  type: "raft",
  messages: [{ type: "heartbeat", from: SECOND, to: FIRST, term: 1_000_000, commit: 0, context: new Uint8Array(0) }],
};

function forgedBatch(): Uint8Array {
  const frame = encodeFrame({ clusterId: clusterIdOf(CLUSTER), from: SECOND, to: FIRST }, FORGED);
  return encodeBatch({ sender: SECOND, epoch: 7, sequence: 0, frames: [frame] });
}

function ask(request: HostileRequest, body: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1");
    const parts: Buffer[] = [];
    socket.on("data", (part) => parts.push(part));
    socket.on("error", reject);
    socket.on("close", () => resolve(answerOf(Buffer.concat(parts))));
    socket.write(requestBytes(request, body));
  });
}

function answerOf(bytes: Buffer): Answer {
  const end = bytes.indexOf("\r\n\r\n");
  const head = bytes.subarray(0, end).toString("latin1");
  return { status: Number(head.split(" ")[1]), head: head.toLowerCase(), body: bytes.subarray(end + 4) };
}

/** Whether somebody inside answered: the transport between members, or a restore on another path than its own. */
function gotThrough({ target, hosts }: HostileRequest, { status, head, body }: Answer): boolean {
  const text = Buffer.from(body).toString();
  const isRestore = hosts.length === 1 && new URL(target, "http://host").pathname === "/quorate/restore/begin";
  if (/batch|this member takes no frames/.test(text) && !text.includes('"code"')) return true;
  if (!isRestore && /"restore":|not empty|another restore|pages may not restore/.test(text)) return true;
  return status === 200 && !head.includes("content-type") && isBatch(body);
}

function isBatch(body: Uint8Array): boolean {
  try {
    const limit = 1 << 20;
    return [FIRST, SECOND].includes(decodeBatch(body, { maxFrameBytes: limit, maxBatchBytes: limit }).sender);
  } catch {
    return false;
  }
}

async function state(): Promise<unknown> {
  const statuses = [1, 2, 3].map((number) => server.post(`/m/${number}/v3/maintenance/status`, {}));
  const [members, pairs] = await Promise.all([
    server.post("/v3/cluster/member/list", { linearizable: true }),
    server.post("/v3/kv/range", { key: "AA==", range_end: "AA==" }),
  ]);
  return {
    terms: (await Promise.all(statuses)).map(({ raftTerm, leader }) => [raftTerm, leader]),
    members: members["members"],
    kvs: pairs["kvs"],
  };
}

test("hostile forms of paths, hosts and headers reach nothing but public routes, and change nothing", async () => {
  await server.put("kept", "as it was");
  const before = await state();
  const requests = hostileRequests(`127.0.0.1:${server.port}`);
  const through: string[] = [];
  const broken: string[] = [];
  const loud: string[] = [];
  for (const request of requests) {
    const answer = await ask(request, forgedBatch());
    const received = `${request.target} | ${request.hosts.join(" + ")} | ${request.headers.join()} → ${answer.status}`;
    if (gotThrough(request, answer)) through.push(received);
    if (answer.status >= 500 || Number.isNaN(answer.status)) broken.push(received);
    if (/\nx-quorate-(?:leader|members|unavailable)/.test(answer.head)) loud.push(received);
  }

  expect({ through, broken, loud }).toEqual({ through: [], broken: [], loud: [] });
  expect(requests.length).toBeGreaterThan(500);
  expect(await state()).toEqual(before);
});
