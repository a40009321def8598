/** Names of clusters, members and rooms: no two of them lead to one object. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allowedNames } from "../../worker/clusters/allowed-names.ts";
import { clusterPathOf } from "../../worker/common/cluster-path.ts";
import {
  clusterKey,
  type ClusterRecord,
  clusterSetupToken,
  isClusterName,
  recordOfKey,
} from "../../worker/common/cluster-record.ts";
import { Entrance } from "../../worker/common/entrance.ts";
import { memberIdOf, namedMemberOf, objectNameOf, peerUrlOf, roomObjectNameOf } from "../../worker/common/identity.ts";

const ID = "0123456789abcdef0123456789abcdef";
const record: ClusterRecord = { name: "acme", id: ID, size: 3, locations: "weur,enam", jurisdiction: "eu", room: "" };

const records: fc.Arbitrary<ClusterRecord> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/),
  id: fc.stringMatching(/^[0-9a-f]{32}$/),
  size: fc.constantFrom(1, 3, 5),
  locations: fc.constantFrom("", "weur", "weur,enam", "apac-ne"),
  jurisdiction: fc.constantFrom("", "eu", "fedramp"),
  room: fc.constantFrom("", "0123456789abcdef".repeat(4)),
});

test("the first cluster's objects, rooms, ids and URLs have the names that they had before there were others", () => {
  expect(objectNameOf("quorate", 2)).toBe("quorate/2");
  expect(roomObjectNameOf("quorate", "r")).toBe("r");
  expect(roomObjectNameOf("quorate", "")).toBe("");
  expect(memberIdOf("quorate", 1)).toBe(3_507_727_647_371_772_681n);
  expect(peerUrlOf("a b", 1)).toBe("http://edge-1.a%20b:2380");
  expect(peerUrlOf(clusterKey(record), 1)).toBe(`http://edge-1.acme.${ID}:2380`);
});

test("a key is read back as the record that it was made of", () => {
  fc.assert(
    fc.property(records, (one) => {
      expect(recordOfKey(clusterKey(one))).toEqual(one);
    }),
  );
});

test("two clusters share no object: neither members nor rooms, whatever the first one is called", () => {
  const room = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.~-]{0,8}$/);
  const number = fc.integer({ min: 1, max: 99_999 });
  fc.assert(
    fc.property(records, records, number, number, room, room, (one, other, m, n, r, s) => {
      const [a, b] = [clusterKey(one), clusterKey(other)];
      const isSame = a === b;
      expect(objectNameOf(a, m) === objectNameOf(b, n)).toBe(isSame && m === n);
      expect(roomObjectNameOf(a, r) === roomObjectNameOf(b, s)).toBe(isSame && r === s);
      expect(objectNameOf(a, m)).not.toBe(objectNameOf(one.name, n));
      expect(roomObjectNameOf(a, r)).not.toBe(roomObjectNameOf(one.name, s));
      expect(namedMemberOf(objectNameOf(a, m))).toEqual({ key: a, number: m });
      expect(namedMemberOf(objectNameOf(one.name, m))).toBeUndefined();
      expect(namedMemberOf(roomObjectNameOf(a, r))).toBeUndefined();
    }),
  );
});

test.each([
  "quorate",
  "",
  "c/acme/1",
  `/c/acme/${ID}/3/`,
  `/c/acme/${ID}/2//`,
  `/c/ac/me/${ID}/3//`,
  `/c/-acme/${ID}/3//`,
  `/c/acme/${ID.toUpperCase()}/3//`,
  `/c/acme/${ID}/3///`,
  `/c/acme/${ID}/3//\n`,
  ` /c/acme/${ID}/3//`,
])("%j is no key", (key) => {
  expect(recordOfKey(key)).toBeUndefined();
});

test.each([`${clusterKey(record)}/0`, `${clusterKey(record)}/01`, `${clusterKey(record)}/1e1`, clusterKey(record)])(
  "%j is no member",
  (name) => {
    expect(namedMemberOf(name)).toBeUndefined();
  },
);

describe("CLUSTERS", () => {
  test.each([
    ["*", "anything", true],
    ["", "anything", false],
    ["a,b", "a", true],
    ["a, b", "b", true],
    ["a,b", "ab", false],
    ["team-*", "team-1", true],
    ["team-*", "team-", true],
    ["team-*", "a-team-1", false],
    ["*-eu", "x-eu", true],
    ["a*a", "a", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "axbybzc", true],
    ["a*b*c", "acb", false],
    ["x*", "x/y", false],
    ["*", "-a", false],
  ])("%j and %j: %s", (setting, name, isAllowed) => {
    expect(allowedNames(setting)(name)).toBe(isAllowed);
  });

  test.each(["a b", "-a", "a/b", "(a+)+", "x".repeat(64)])("%j is no list", (setting) => {
    expect(() => allowedNames(setting)).toThrow("CLUSTERS has names");
  });

  test("matching takes no time that a name could make long", () => {
    expect(allowedNames(`${"*a".repeat(20)}*b`)("a".repeat(63))).toBe(false);
  });
});

test.each([
  ["/v3/kv/put", { type: "first", path: "/v3/kv/put" }],
  ["/c", { type: "first", path: "/c" }],
  ["/cc/a/", { type: "first", path: "/cc/a/" }],
  ["/c/", { type: "bad-name", name: "" }],
  ["/c/a", { type: "unfinished", path: "/c/a/" }],
  ["/c/a/", { type: "named", name: "a", base: "/c/a", path: "/" }],
  ["/c/a/c/b/x", { type: "named", name: "a", base: "/c/a", path: "/c/b/x" }],
  ["/c//a/", { type: "bad-name", name: "" }],
  ["/c/%61/", { type: "bad-name", name: "%61" }],
])("%s is %j", (path, place) => {
  expect(clusterPathOf(path)).toEqual(place);
});

describe("the setup token of one cluster", () => {
  const TOKEN = "the deployment's own token";
  const key = clusterKey(record);
  const later = clusterKey({ ...record, id: ID.replace("0", "1") });
  const isIn = (cluster: string, token: string): boolean =>
    new Entrance({ SETUP_TOKEN: TOKEN, CLUSTER_NAME: cluster }).callRefusal({ token, requireLeader: false }, false) ===
    undefined;

  test("opens that cluster, and none besides", () => {
    const own = clusterSetupToken(TOKEN, key);
    expect([isIn(key, own), isIn(key, TOKEN), isIn(later, own), isIn("quorate", own)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([isIn("quorate", TOKEN), isIn(later, TOKEN)]).toEqual([true, true]);
  });

  test("does not exist without the deployment's", () => {
    expect(
      new Entrance({ CLUSTER_NAME: key }).callRefusal(
        { token: clusterSetupToken("", key), requireLeader: false },
        false,
      ),
    ).toMatchObject({ status: 401 });
    expect(isClusterName(record.name)).toBe(true);
  });
});
