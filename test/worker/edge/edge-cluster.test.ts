/** The edge's members come and go: a new one is a new Durable Object, a removed one is gone for good and says so. */
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { decodeFrame } from "../../../src/protocol/peer/frame.ts";
import { decodeBatch, encodeBatch } from "../../../src/transport/http-batch.ts";
import { memberIdOf } from "../../../worker/common/identity.ts";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { edge, eventually, get, kill, leaderNumber, post, put, stubOf } from "../support/edge-kit.ts";

interface Listed {
  readonly ID: string;
  readonly name?: string;
  readonly peerURLs?: readonly string[];
  readonly clientURLs?: readonly string[];
  readonly isLearner?: boolean;
}

interface Answer {
  readonly member?: Listed;
  readonly members: readonly Listed[];
}

const GONE = "the member has been permanently removed from the cluster";

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

async function list(member = ""): Promise<readonly Listed[]> {
  return (await post<Answer>(`${member}/v3/cluster/member/list`, { linearizable: true })).members;
}

async function untilListed(number: number): Promise<Listed> {
  for (;;) {
    const found = (await list()).find(({ name }) => name === `edge-${number}`);
    if (found !== undefined) return found;
    await pause();
  }
}

async function promoted(id: string): Promise<void> {
  for (;;) {
    const answer = await edge("/v3/cluster/member/promote", { method: "POST", body: JSON.stringify({ ID: id }) });
    const text = await answer.text();
    if (answer.ok) return;
    expect(text).toContain("in sync with leader");
    await pause();
  }
}

async function refused(number: number): Promise<void> {
  const answer = await edge(`/m/${number}/v3/kv/range`, { method: "POST", body: JSON.stringify({ key: btoa("a") }) });
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 14, message: `member ${number} cannot serve: ${GONE}` });
}

/** What the object itself says, whatever the worker in front knows. */
async function saidByItself(number: number): Promise<string> {
  const answer = await stubOf(number).fetch("http://edge/v3/maintenance/status", { method: "POST", body: "{}" });
  return answer.text();
}

/** Told to go, a leader first sees to its succession. */
async function untilBuried(number: number): Promise<void> {
  while ((await tablesOf(number)).length > 0) await pause();
}

async function tablesOf(number: number): Promise<readonly string[]> {
  return runInDurableObject(stubOf(number), (_member: EdgeMember, state) =>
    state.storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'",
      )
      .toArray()
      .map(({ name }) => name),
  );
}

test("the members are listed with their peers' addresses, and with where the operator says that clients reach them", async () => {
  // The first client of all calls the endpoint by another name.
  await (await edge("/health", {}, {}, "http://evil.example")).text();
  await put("a", "1");
  while ((await list()).some(({ clientURLs }) => clientURLs === undefined)) {
    await pause();
  }
  const members = await list("/m/2");
  expect(new Set(members.map(({ name }) => name))).toEqual(new Set(["edge-1", "edge-2", "edge-3"]));
  for (const { name = "", peerURLs, clientURLs } of members) {
    expect(peerURLs).toEqual([`http://${name}.quorate:2380`]);
    expect(clientURLs).toEqual([`http://edge/m/${name.slice("edge-".length)}`]);
  }
});

test("a member that is added comes to be, learns, is promoted, votes, and serves under its number", async () => {
  expect((await edge("/m/4/v3/kv/range", { method: "POST", body: "{}" })).status).toBe(404);
  const added = await post<Answer>("/v3/cluster/member/add", { peerURLs: ["http://four:2380"], isLearner: true });
  expect(added.member).toMatchObject({ peerURLs: ["http://four:2380"], isLearner: true });
  expect(added.members).toHaveLength(4);

  const { ID, isLearner } = await untilListed(4);
  expect([ID, isLearner]).toEqual([added.member?.ID, true]);
  const refusal = await edge("/m/4/v3/kv/range", { method: "POST", body: JSON.stringify({ key: btoa("a") }) });
  expect(await refusal.json()).toEqual({ code: 9, message: "etcdserver: rpc not supported for learner" });
  await eventually("a", "1", "/m/4");
  await promoted(ID);
  // It hears of it a moment later than who answered.
  while ((await post<{ isLearner?: boolean }>("/m/4/v3/maintenance/status", {})).isLearner === true) await pause();

  expect(await put("b", "2", "/m/4")).toBeGreaterThan(1);
  expect(await get("b")).toBe("2");
  const status = await post<{ header: { member_id: string } }>("/m/4/v3/maintenance/status", {});
  expect(status.header.member_id).toBe(ID);
});

test("the leader is removed: the others go on, it keeps nothing but its end, and says so after a restart, too", async () => {
  const number = await leaderNumber();
  const leader = await untilListed(number);
  const { members } = await post<Answer>("/v3/cluster/member/remove", { ID: leader.ID });
  expect(members.map(({ ID }) => ID)).not.toContain(leader.ID);

  expect(await put("c", "3")).toBeGreaterThan(2);
  await untilBuried(number);
  await refused(number);
  await kill(number);
  expect(await saidByItself(number)).toContain(GONE);
  expect(await get("c")).toBe("3");
});

test("a restart of all finds the members that there are, and a number is never given twice", async () => {
  for (const number of [1, 2, 3, 4]) await kill(number);
  expect(await get("c")).toBe("3");
  const before = (await list()).map(({ name }) => name);
  expect(before).toHaveLength(3);
  expect(before).toContain("edge-4");
  const added = await post<Answer>("/v3/cluster/member/add", { peerURLs: ["http://five:2380"] });
  expect((await untilListed(5)).ID).toBe(added.member?.ID);
  await post("/v3/cluster/member/remove", { ID: added.member?.ID });
  await untilBuried(5);
  await refused(5);
});

test("of two removed members, the one that has not heard of it is notified by the other, or referred to current members", async () => {
  const members = await list();
  const ids = [1, 2, 3, 4, 5].map((number) => memberIdOf("quorate", number));
  const gone = ids.findIndex((id) => !members.some(({ ID }) => BigInt(ID) === id));
  const asks = async (sender: bigint): Promise<unknown> => {
    const body = encodeBatch({ sender, epoch: 1, sequence: 0, frames: [] });
    const answer = await stubOf(gone + 1).raft(body);
    if (answer.type === "refused") throw new Error(answer.reason);
    const { frames } = decodeBatch(answer.batch, { maxFrameBytes: 1 << 20, maxBatchBytes: 1 << 20 });
    return decodeFrame(frames[0] as Uint8Array, { maxBytes: 1 << 20 }).body;
  };

  expect(await asks(ids[gone] as bigint)).toMatchObject({ type: "join-response", refusal: "removed" });
  const sent = await asks(ids[4] as bigint);
  expect(sent).toMatchObject({ type: "join-response", refusal: "" });
  const known = (sent as { members: readonly { id: bigint }[] }).members.map(({ id }) => String(id));
  expect(new Set(known)).toEqual(new Set(members.map(({ ID }) => ID)));
});

test("frames that are none are refused by a tombstone, too", async () => {
  expect(await stubOf(5).raft(new TextEncoder().encode("frames"))).toMatchObject({ type: "refused", isBad: true });
});
