import { evictDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { edge, eventually, get, kill, leaderNumber, post, put, stubOf } from "../support/edge-kit.ts";

const MEMBERS = [1, 2, 3];

describe("three members", () => {
  test("elect a leader at the first request, and each returns what was put", async () => {
    const revision = await put("foo", "bar");

    expect(revision).toBe(2);
    for (const number of MEMBERS) expect(await get("foo", `/m/${number}`)).toBe("bar");
  });

  test("followers forward writes to the leader", async () => {
    const before = await put("forwarded", "0");

    for (const number of MEMBERS) await put("forwarded", `by ${number}`, `/m/${number}`);

    expect(await get("forwarded")).toBe("by 3");
    expect(await put("forwarded", "last")).toBe(before + 4);
  });

  test("each serves serializable reads from its own state", async () => {
    await put("own", "state");

    for (const number of MEMBERS) await eventually("own", "state", `/m/${number}`);
  });

  test("each reports its own id, and all agree on cluster and leader", async () => {
    let views = await allViews();
    // A member may be a moment behind the others.
    while (new Set(views.map(({ leader }) => leader)).size > 1) views = await allViews();

    expect(views.map(({ name }) => name)).toEqual(["edge-1", "edge-2", "edge-3"]);
    expect(new Set(views.map(({ clusterId }) => clusterId)).size).toBe(1);
    expect(views[0]?.["leader"]).not.toBe("0");
    expect(new Set(views.map(({ id }) => id)).size).toBe(3);
  });

  test("agree on the list of members", async () => {
    const lists = await Promise.all(
      MEMBERS.map((number) => post<{ members: { ID: string }[] }>(`/m/${number}/v3/cluster/member/list`, {})),
    );

    const ids = lists.map(({ members }) =>
      members
        .map(({ ID }) => ID)
        .sort()
        .join(),
    );
    expect(new Set(ids).size).toBe(1);
    expect(lists[0]?.members).toHaveLength(3);
  });
});

describe("members that are thrown out of memory", () => {
  test("find their data again: an idle cluster has no clock that keeps it there", async () => {
    await put("kept", "over eviction");

    // Waits until nothing is under way in the object.
    for (const number of MEMBERS) await evictDurableObject(stubOf(number));

    for (const number of MEMBERS) expect(await get("kept", `/m/${number}`)).toBe("over eviction");
  });

  test("survive a crash: when the leader crashes, the others elect another and continue", async () => {
    await put("moved", "before");
    const leader = await leaderNumber();
    const other = MEMBERS.find((number) => number !== leader) ?? 0;
    const term = (await view(other)).term;
    await kill(leader);

    while ((await view(other)).term === term || (await view(other)).leader === "0") await pause();
    await put("moved", "after", `/m/${other}`);

    expect(await get("moved", `/m/${leader}`)).toBe("after");
  });

  test("lose no acknowledged put, whichever member crashes in between", async () => {
    const keys = Array.from({ length: 20 }, (_, at) => `storm/${at}`);
    for (const [at, key] of keys.entries()) {
      await putUntilAnswered(key, String(at));
      if (at % 5 === 4) await kill((at % 3) + 1);
    }

    for (const [at, key] of keys.entries()) expect(await get(key)).toBe(String(at));
  });
});

function allViews(): Promise<Record<string, unknown>[]> {
  return Promise.all(
    MEMBERS.map(async (number) => (await edge(`/m/${number}/quorate/status`)).json<Record<string, unknown>>()),
  );
}

/** As a client does whose put met a crash, or took longer than a request may while the members elect a leader. */
async function putUntilAnswered(key: string, value: string): Promise<void> {
  for (let answered = false; !answered;) {
    answered = await put(key, value).then(
      () => true,
      () => false,
    );
  }
}

async function view(number: number): Promise<{ readonly term: number; readonly leader: string }> {
  return (await edge(`/m/${number}/quorate/status`)).json();
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
