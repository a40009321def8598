/** `quorate member` against one real member. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { Session } from "./support/fake-terminal.ts";

const SOLO = "ffff000000000001";

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, ["member", ...args]);
}

describe("quorate member", () => {
  test("list, add, update, promote and remove print what they did, and the server's error when it rejects", async () => {
    expect(await cli("update", SOLO, "http://solo:2380")).toMatchObject({ code: 0, out: `updated member ${SOLO}\n` });
    const { out } = await cli("add", "http://two:2380", "--learner");
    const id = /^added learner ([0-9a-f]+), 2 in all\n$/u.exec(out)?.[1] ?? "none";

    const { out: table } = await cli("list");
    const rows = table.split("\n").map((line) => line.split(/ {2,}/u));
    expect(rows[0]).toEqual(["ID", "STATUS", "NAME", "KIND", "PEER URLS", "CLIENT URLS"]);
    expect(rows).toContainEqual([SOLO, "started", "solo", "voter", "http://solo:2380"]);
    expect(rows).toContainEqual([id, "unstarted", "learner", "http://two:2380"]);
    expect(JSON.parse((await cli("list", "--local", "--json")).out)).toMatchObject({ members: [{}, {}] });

    expect(await cli("add", "http://three:2380", "--learner")).toMatchObject({
      code: 3,
      err: "quorate: etcdserver: too many learner members in cluster (FailedPrecondition)\n",
    });
    expect((await cli("promote", id)).err).toBe(
      "quorate: etcdserver: can only promote a learner member which is in sync with leader (FailedPrecondition)\n",
    );
    expect(await cli("remove", id)).toMatchObject({ code: 0, out: `removed member ${id}, 1 left\n` });
    expect((await cli("remove", `0x${id}`)).err).toBe("quorate: etcdserver: member not found (NotFound)\n");
    expect((await cli("add", "http://four")).err).toBe(
      "quorate: etcdserver: given member URLs are invalid (InvalidArgument)\n",
    );
  });

  test("reports wrong arguments before any request", async () => {
    const wrong = [
      [],
      ["lst"],
      ["list", "all"],
      ["add"],
      ["remove"],
      ["remove", "the-first"],
      ["promote", "1", "2"],
      ["update", "1"],
      ["list", "--learner"],
      ["add", "http://a:1", "--local"],
    ];
    for (const args of wrong) expect(await cli(...args)).toMatchObject({ code: 2, out: "" });
  });
});
