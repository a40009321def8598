/** The commands that look after a cluster: health, alarm, hashkv, defrag. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { alarmRequest } from "../../src/protocol/api/maintenance.ts";
import type { AlarmType } from "../../src/protocol/api/maintenance.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { Session } from "./support/fake-terminal.ts";

const CALL = { token: "", requireLeader: false } as const;
const ID = 0xffff_0000_0000_0001n;

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());
afterEach(() => cli("alarm", "disarm"));

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, args);
}

async function raise(alarm: AlarmType): Promise<void> {
  await served.services.maintenance.alarm(alarmRequest({ action: "ACTIVATE", memberId: 5n, alarm }), CALL);
}

describe("quorate alarm", () => {
  test("list prints the raised alarms with their members, disarm removes them", async () => {
    expect(await cli("alarm", "list")).toMatchObject({ code: 0, out: "", err: "" });
    await raise("NOSPACE");
    expect((await cli("alarm", "list")).out).toBe("NOSPACE member 5\n");
    expect((await cli("put", "a", "b")).err).toBe(
      "quorate: etcdserver: mvcc: database space exceeded (ResourceExhausted)\n",
    );
    expect((await cli("alarm", "list", "--json")).out).toBe('{"alarms":[{"memberID":"5","alarm":"NOSPACE"}]}\n');
    expect((await cli("alarm", "disarm")).out).toBe("NOSPACE member 5\n");
    expect((await cli("alarm", "list")).out).toBe("");
    expect((await cli("put", "a", "b")).code).toBe(0);
  });

  test("anything else is wrong usage", async () => {
    for (const args of [["alarm"], ["alarm", "clear"], ["alarm", "list", "all"]]) {
      expect(await cli(...args)).toMatchObject({ code: 2, out: "" });
    }
  });
});

describe("quorate health", () => {
  test("prints each check, and exits with 1 when one fails", async () => {
    const healthy = await cli("health");
    expect(healthy.code).toBe(0);
    expect(healthy.out.split("\n").slice(1, -1)).toEqual(
      ["data_corruption", "serializable_read", "linearizable_read", "non_learner"].map((name) =>
        expect.stringMatching(new RegExp(`^${ID} +solo +${name} +ok$`)),
      ),
    );
    await raise("CORRUPT");
    const { code, out } = await cli("health", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual([
      {
        member_id: ID.toString(),
        checks: {
          data_corruption: "alarm activated: CORRUPT",
          serializable_read: "ok",
          linearizable_read: "ok",
          non_learner: "ok",
        },
      },
    ]);
  });
});

describe("quorate hashkv and defrag", () => {
  test("hashkv prints hash, revision and compact revision, of the newest revision or of a given one", async () => {
    await cli("put", "a", "1");
    await cli("put", "a", "2");
    const { revision } = (await served.services.maintenance.status({}, CALL)).header;
    const [newest] = JSON.parse((await cli("hashkv", "--json")).out);
    expect(newest).toMatchObject({ member_id: ID.toString(), hash_revision: revision, compact_revision: -1 });
    const older = await cli("hashkv", "--rev", String(revision - 1));
    expect(older.out).toMatch(
      new RegExp(`ID +NAME +HASH +REVISION +COMPACTED\\n${ID} +solo +\\d+ +${revision - 1} +-1\\n`),
    );
    expect(older.out).not.toContain(String(newest.hash));
    const { code, err } = await cli("hashkv", "--rev", "1000000");
    expect([code, err]).toEqual([
      3,
      "quorate: etcdserver: mvcc: required revision is a future revision (OutOfRange)\n",
    ]);
  });

  test("defrag drops compacted data, and prints the size before and after", async () => {
    for (let at = 0; at < 20; at++) await cli("put", "key", "x".repeat(1_000));
    const { revision } = (await served.services.maintenance.status({}, CALL)).header;
    await served.services.kv.compact({ revision, physical: false }, CALL);
    const { code, out } = await cli("defrag", "--cluster");
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`ID +NAME +BEFORE +AFTER\\n${ID} +solo +\\S+ \\S+ +\\S+ \\S+\\n`));
    expect((await served.services.maintenance.status({}, CALL)).dbSizeInUse).toBeLessThan(3_000);
  });
});
