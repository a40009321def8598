/** Where etcd is wrong or random: what Quorate does instead. The tables of `src/entry/docs/etcd.md`, a test for each line. */
import { describe, expect, test } from "vitest";
import { Endpoint } from "./support/endpoint.ts";

describe("quirks", () => {
  test("Q1: a sort target that nobody has (an etcd 3.4 dies of it) is refused", async () => {
    const endpoint = await Endpoint.open();
    const { status, json } = await endpoint.post("/v3/kv/range", { key: "Zm9v", sort_target: 99 });
    expect([status, json]).toEqual([400, { code: 3, message: "etcdserver: invalid sort option" }]);
  });

  test.each(["ignore_lease", "ignore_value"])(
    "Q2: a put with %s of a key that its txn deletes is refused",
    async (flag) => {
      const endpoint = await Endpoint.open();
      await endpoint.put("foo", "bar");
      const success = [
        { request_delete_range: { key: "Zg==", range_end: "AA==" } },
        { request_put: { key: "Zm9v", [flag]: true } },
      ];
      const { status, json } = await endpoint.post("/v3/kv/txn", { success });
      expect([status, json.message]).toEqual([400, "etcdserver: key not found"]);
      expect((await endpoint.post("/v3/kv/range", { key: "Zm9v" })).json.count).toBe("1");
    },
  );

  test("Q3: keys of one value stay in their order, also beyond the twelve rows up to which etcd's do", async () => {
    const endpoint = await Endpoint.open();
    for (let at = 0; at < 13; at++) await endpoint.put(`k${String.fromCharCode(97 + at)}`, `v${at % 2}`);
    const range = { key: "AA==", range_end: "AA==", sort_target: "VALUE", keys_only: true };
    const { json } = await endpoint.post("/v3/kv/range", range);
    const keys = (json.kvs as { key: string }[]).map(({ key }) => atob(key).slice(1)).join("");
    expect(keys).toBe("acegikmbdfhjl");
  });

  test("Q4: keys_only leaves out the lease, but not where it sorts by value", async () => {
    const endpoint = await Endpoint.open();
    await endpoint.post("/v3/lease/grant", { TTL: 3600, ID: 7 });
    await endpoint.post("/v3/kv/put", { key: "Zm9v", lease: 7 });
    const leaseOf = async (more: object): Promise<unknown> =>
      (await endpoint.post("/v3/kv/range", { key: "Zm9v", keys_only: true, ...more })).json.kvs[0].lease;
    expect([await leaseOf({}), await leaseOf({ sort_target: "VALUE" })]).toEqual([undefined, "7"]);
  });

  test("Q5: a number in a string ends where protojson stops to read it", async () => {
    const endpoint = await Endpoint.open();
    const { status, json } = await endpoint.post("/v3/lease/timetolive", '{"ID":"12, or so"}');
    expect([status, json.ID]).toEqual([200, "12"]);
  });

  test("Q6: a request on a watch stream that cannot be read ends the stream and says why", async () => {
    const endpoint = await Endpoint.open();
    const { status, json } = await endpoint.post("/v3/watch", '{"create_request":1}');
    expect([status, json.error.code]).toEqual([400, 3]);
  });

  test("Q7: a watch's id of 2^53 and more is refused", async () => {
    const endpoint = await Endpoint.open();
    const body = '{"create_request":{"key":"YQ==","watch_id":"9007199254740992"}}';
    const { status, json } = await endpoint.post("/v3/watch", body);
    expect([status, json.error.message]).toEqual([400, expect.stringContaining("2^53")]);
  });
});
