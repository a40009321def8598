import { expect, test } from "vitest";
import { Endpoint } from "./support/endpoint.ts";

const HEADER = { cluster_id: "7", member_id: "1", raft_term: "2" };

test("put and range speak etcd's JSON: base64, decimal strings, zero values left out", async () => {
  const endpoint = await Endpoint.open();

  const put = await endpoint.post("/v3/kv/put", { key: "Zm9v", value: "YmFy" });
  const range = await endpoint.post("/v3/kv/range", { key: "Zm9v" });

  expect(put.status).toBe(200);
  expect(put.headers.get("content-type")).toBe("application/json");
  expect(put.json).toEqual({ header: { ...HEADER, revision: "2" } });
  expect(range.json).toEqual({
    header: { ...HEADER, revision: "2" },
    kvs: [{ key: "Zm9v", create_revision: "2", mod_revision: "2", version: "1", value: "YmFy" }],
    count: "1",
  });
});

test("requests may use camelCase names, numbers for integers and unknown fields", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.put("a", "1");
  await endpoint.put("b", "2");

  const range = await endpoint.post("/v3/kv/range", { key: "YQ==", rangeEnd: "AA", limit: 1, keysOnly: true, no: {} });

  expect(range.json).toMatchObject({ kvs: [{ key: "YQ==" }], more: true, count: "2" });
  expect(range.json.kvs[0].value).toBeUndefined();
});

test("deleterange, txn, compaction, status and member list are served under their paths", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.put("a", "1");

  const deleted = await endpoint.post("/v3/kv/deleterange", { key: "YQ==", prev_kv: true });
  const txn = await endpoint.post("/v3/kv/txn", {
    compare: [{ key: "YQ==", target: "VERSION", result: "EQUAL", version: "0" }],
    success: [{ request_put: { key: "YQ==", value: "Mg==" } }],
  });
  const compacted = await endpoint.post("/v3/kv/compaction", { revision: "3" });
  const status = await endpoint.post("/v3/maintenance/status", {});
  const members = await endpoint.post("/v3/cluster/member/list", {});

  expect(deleted.json).toMatchObject({ deleted: "1", prev_kvs: [{ value: "MQ==" }] });
  expect(txn.json).toMatchObject({ succeeded: true, responses: [{ response_put: { header: { revision: "4" } } }] });
  expect(compacted.json).toMatchObject({ header: { revision: "4" } });
  expect(status.json).toMatchObject({ leader: "1", raftTerm: "2" });
  expect(status.json.version).toMatch(/^3\.\d+\.\d+$/);
  expect(members.json.members).toEqual([{ ID: "1", name: "m1" }]);
});

test("an empty body is the empty message, and what follows the first value is not looked at", async () => {
  const endpoint = await Endpoint.open();

  const empty = await endpoint.post("/v3/maintenance/status", "");
  const more = await endpoint.post("/v3/kv/put", '{"key":"Zm9v"} and more');

  expect(empty.status).toBe(200);
  expect(more.status).toBe(200);
});

test("the old prefix /v3beta is the same API", async () => {
  const endpoint = await Endpoint.open();

  const put = await endpoint.post("/v3beta/kv/put", { key: "Zm9v", value: "YmFy" });

  expect(put.json).toEqual({ header: { ...HEADER, revision: "2" } });
});

test("a member's errors keep code, text and the HTTP status of the code", async () => {
  const endpoint = await Endpoint.open();

  const emptyKey = await endpoint.post("/v3/kv/put", {});
  const future = await endpoint.post("/v3/kv/range", { key: "Zm9v", revision: 99 });
  const lease = await endpoint.post("/v3/kv/put", { key: "Zm9v", lease: "5" });

  expect([emptyKey.status, emptyKey.text]).toEqual([400, '{"code":3,"message":"etcdserver: key is not provided"}']);
  expect([future.status, future.json.code]).toEqual([400, 11]);
  expect([lease.status, lease.text]).toEqual([404, '{"code":5,"message":"etcdserver: requested lease not found"}']);
});

test.each([
  ["cut off", '{"key":'],
  ["not JSON", "key=foo"],
  ["not an object", "[1]"],
  ["of the wrong type", '{"key":5}'],
  ["not base64", '{"key":"%"}'],
])("a body that is %s is refused as code 3", async (_what, body) => {
  const endpoint = await Endpoint.open();

  const answer = await endpoint.post("/v3/kv/put", body);

  expect([answer.status, answer.json.code]).toEqual([400, 3]);
  expect(answer.json.message).not.toBe("");
});
