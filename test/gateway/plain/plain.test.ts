import { expect, test } from "vitest";
import { GuardedCluster } from "../../member/support/auth-kit.ts";
import { Endpoint } from "../support/endpoint.ts";

const BINARY = Uint8Array.of(0, 255, 1);

async function withKeys(...pairs: readonly (readonly [key: string, value: string])[]): Promise<Endpoint> {
  const endpoint = await Endpoint.open();
  for (const [key, value] of pairs) await endpoint.call(`/kv/${key}`, { method: "PUT", body: value });
  return endpoint;
}

test("a value is put and read as its bytes, under its mod revision as the tag", async () => {
  const endpoint = await Endpoint.open();

  const put = await endpoint.call("/kv/flags/dark", { method: "PUT", body: "on ✓" });
  const got = await endpoint.call("/kv/flags/dark");

  expect([put.status, put.headers.get("etag"), put.json]).toEqual([200, '"2"', { revision: 2 }]);
  expect([got.status, got.text, got.headers.get("etag")]).toEqual([200, "on ✓", '"2"']);
  expect(got.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(got.headers.get("x-content-type-options")).toBe("nosniff");
  expect(got.headers.get("x-quorate-revision")).toBe("2");
});

test("the key is all of the path behind /kv/, decoded to bytes; slashes are its own", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.call("/kv//registry/%00%ff%2F+%C3%BC?lease=0", { method: "PUT", body: BINARY });

  const range = await endpoint.post("/v3/kv/range", { key: "AA==", range_end: "AA==" });
  const plain = await endpoint.cluster.settled(endpoint.fetch("/kv//registry/%00%FF/+%C3%BC"));

  expect(atob(range.json.kvs[0].key)).toBe("/registry/\x00\xff/+\xc3\xbc");
  expect(new Uint8Array(await plain.arrayBuffer())).toEqual(BINARY);
  expect(plain.headers.get("content-type")).toBe("application/octet-stream");
});

test("a missing key is 404 with a message and the revision", async () => {
  const endpoint = await withKeys(["a", "1"]);

  const read = await endpoint.call("/kv/b");
  const deleted = await endpoint.call("/kv/b", { method: "DELETE" });

  expect([read.status, read.json]).toEqual([404, { code: 5, message: "no such key" }]);
  expect(read.headers.get("x-quorate-revision")).toBe("2");
  expect(deleted.status).toBe(404);
});

test("DELETE deletes a key, or all with a prefix", async () => {
  const endpoint = await withKeys(["a/1", "x"], ["a/2", "y"], ["b", "z"]);

  const one = await endpoint.call("/kv/a/1", { method: "DELETE" });
  const rest = await endpoint.call("/kv/a/?prefix", { method: "DELETE" });
  const none = await endpoint.call("/kv/a/?prefix", { method: "DELETE" });
  const all = await endpoint.call("/kv/?prefix", { method: "DELETE" });

  expect([one.status, one.json]).toEqual([200, { revision: 5, deleted: 1 }]);
  expect([rest.json.deleted, none.status, none.json.deleted, all.json.deleted]).toEqual([1, 200, 0, 1]);
});

test("If-None-Match saves a read what it has already; If-Match refuses what has changed", async () => {
  const endpoint = await withKeys(["a", "1"]);
  const read = (headers: Record<string, string>) => endpoint.call("/kv/a", { headers });

  const same = await read({ "if-none-match": 'W/"9", "2"' });
  const other = await read({ "if-none-match": '"3"' });
  const any = await read({ "if-none-match": "*" });
  const matched = await read({ "if-match": '"2"' });
  const changed = await read({ "if-match": '"1"' });

  expect([same.status, same.text, same.headers.get("etag")]).toEqual([304, "", '"2"']);
  expect([other.status, any.status, matched.status, changed.status]).toEqual([200, 304, 200, 412]);
  expect(changed.json).toEqual({ code: 9, message: "not as asked for: the key is at revision 2" });
});

test("PUT and DELETE compare with If-Match and If-None-Match in one txn", async () => {
  const endpoint = await Endpoint.open();
  const put = (headers: Record<string, string>) => endpoint.call("/kv/a", { method: "PUT", body: "v", headers });

  const created = await put({ "if-none-match": "*" });
  const again = await put({ "if-none-match": "*" });
  const stale = await put({ "if-match": '"1"' });
  const oneOf = await put({ "if-match": '"7", "2", "9"' });
  const bare = await put({ "if-match": "3" });
  const weak = await put({ "if-match": 'W/"4"' });
  const exists = await put({ "if-match": "*" });
  const not5 = await put({ "if-none-match": '"5"' });
  const not6 = await put({ "if-none-match": '"6"' });
  const wrong = await endpoint.call("/kv/a", { method: "DELETE", headers: { "if-match": '"2"' } });
  const gone = await endpoint.call("/kv/a", { method: "DELETE", headers: { "if-match": '"6"' } });
  const never = await put({ "if-match": "*" });

  expect([created.status, created.headers.get("etag"), created.json]).toEqual([201, '"2"', { revision: 2 }]);
  expect([again.status, again.headers.get("etag")]).toEqual([412, '"2"']);
  expect([stale.status, oneOf.status, oneOf.headers.get("etag"), bare.status]).toEqual([412, 200, '"3"', 200]);
  expect([weak.status, exists.status, not5.status, not6.status]).toEqual([412, 200, 412, 200]);
  expect([wrong.status, gone.status, gone.json.deleted]).toEqual([412, 200, 1]);
  expect([never.status, never.json.message]).toEqual([412, "not as asked for: the key does not exist"]);
});

test("a comma in a tag is part of it: of a tag that only looks like a list nothing matches", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.call("/kv/a", { method: "PUT", body: "v" });
  const status = async (tags: string): Promise<number> =>
    (await endpoint.call("/kv/a", { headers: { "if-match": tags } })).status;

  for (const tags of ['"1,2,3"', '"2', '"2"x', "", ","]) expect([tags, await status(tags)]).toEqual([tags, 412]);
  for (const tags of ['"1,2", "2"', '"1","2"', "1, 2"]) expect([tags, await status(tags)]).toEqual([tags, 200]);
});

test("a PUT of a part, as of an upload that goes on, is refused: it would become the whole value", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.call("/kv/a", { method: "PUT", body: "whole" });
  const headers = { "content-range": "bytes 2-4/5" };
  const part = await endpoint.call("/kv/a", { method: "PUT", body: "ole", headers });

  expect([part.status, part.json.message]).toEqual([400, "a value is put whole: Content-Range is not served"]);
  expect((await endpoint.call("/kv/a")).text).toBe("whole");
});

test("as JSON a pair is readable: text where it is UTF-8, else base64 under its own name", async () => {
  const endpoint = await withKeys(["a", "1"]);
  await endpoint.call("/kv/%FF", { method: "PUT", body: BINARY });
  const headers = { accept: "application/json" };

  const text = await endpoint.call("/kv/a", { headers });
  const binary = await endpoint.call("/kv/%FF", { headers });
  const browser = await endpoint.call("/kv/a", { headers: { accept: "text/html,application/json;q=0.9,*/*;q=0.8" } });

  expect(text.json).toEqual({ key: "a", value: "1", create_revision: 2, mod_revision: 2, version: 1 });
  expect(binary.json).toMatchObject({ key_base64: "/w==", value_base64: "AP8B", mod_revision: 3 });
  expect([text.headers.get("etag"), text.headers.get("vary"), browser.text]).toEqual(['"2"', "Accept", "1"]);
});

test("a list is JSON, one line per pair", async () => {
  const endpoint = await withKeys(["a/1", "x"], ["a/2", "y"], ["b", "z"]);

  const list = await endpoint.call("/kv/a/?prefix");
  const keys = await endpoint.call("/kv/?prefix&keys");
  const unchanged = await endpoint.call("/kv/a/?prefix", {
    headers: { "if-none-match": list.headers.get("etag") ?? "" },
  });
  const none = await endpoint.call("/kv/nothing?prefix");

  expect(list.text.split("\n")).toEqual([
    '{"revision":4,"count":2,"kvs":[',
    '{"key":"a/1","value":"x","create_revision":2,"mod_revision":2,"version":1},',
    '{"key":"a/2","value":"y","create_revision":3,"mod_revision":3,"version":1}',
    "]}",
    "",
  ]);
  expect(keys.json.kvs.map((pair: object) => Object.keys(pair))).toContainEqual([
    "key",
    "create_revision",
    "mod_revision",
    "version",
  ]);
  expect([unchanged.status, none.status, none.json]).toEqual([304, 200, { revision: 4, count: 0, kvs: [] }]);
});

test("a long list comes in pages of one revision, whatever is written meanwhile", async () => {
  const endpoint = await withKeys(["p/%FE", "1"], ["p/a b", "2"], ["p/c", "3"]);
  const seen: unknown[] = [];
  let next = "?prefix&limit=1";
  while (next !== "") {
    const page = await endpoint.call(`/kv/p/${next}`);
    seen.push(...page.json.kvs.map(({ key, key_base64, value }: Record<string, string>) => [key ?? key_base64, value]));
    expect(page.json.revision).toBe(4);
    expect(page.headers.get("link")).toBe(page.json.next === undefined ? null : `<${page.json.next}>; rel="next"`);
    next = page.json.next ?? "";
    await endpoint.call("/kv/p/b", { method: "PUT", body: "new" });
  }

  expect(seen).toEqual([
    ["p/a b", "2"],
    ["p/c", "3"],
    ["cC/+", "1"],
  ]);
});

test("?rev reads the past, ?serializable this member alone, and a compacted revision is 410 with a message", async () => {
  const endpoint = await withKeys(["a", "1"], ["a", "2"], ["a", "3"]);

  const past = await endpoint.call("/kv/a?rev=3");
  const future = await endpoint.call("/kv/a?rev=9");
  await endpoint.post("/v3/kv/compaction", { revision: 3 });
  const compacted = await endpoint.call("/kv/a?rev=2");
  const local = await endpoint.call("/kv/a?serializable");

  expect([past.text, past.headers.get("etag"), past.headers.get("x-quorate-revision")]).toEqual(["2", '"3"', "4"]);
  expect([future.status, future.json.code]).toEqual([400, 11]);
  expect([compacted.status, compacted.json.message]).toEqual([
    410,
    "etcdserver: mvcc: required revision has been compacted",
  ]);
  expect(compacted.json.hint).toContain("compacted away");
  expect(local.text).toBe("3");
});

test("?lease attaches a key to a lease", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { ID: "77", TTL: "60" });

  const put = await endpoint.call("/kv/a?lease=77", { method: "PUT", body: "1" });
  const read = await endpoint.call("/kv/a", { headers: { accept: "application/json" } });
  const raw = await endpoint.call("/kv/a");
  const unknown = await endpoint.call("/kv/a?lease=78", { method: "PUT", body: "1" });

  expect([put.status, read.json.lease, raw.headers.get("x-quorate-lease")]).toEqual([200, "77", "77"]);
  expect([unknown.status, unknown.json]).toEqual([404, { code: 5, message: "etcdserver: requested lease not found" }]);
});

test.each([
  ["GET", "/kv/", "etcdserver: key is not provided"],
  ["PUT", "/kv/", "etcdserver: key is not provided"],
  ["GET", "/kv/a%2", "the key has a % that two hex digits do not follow"],
  ["GET", "/kv/a?rev=x", 'rev is a whole number, not "x"'],
  ["GET", "/kv/a?rev=-1", 'rev is a whole number, not "-1"'],
  ["GET", "/kv/a?prefix=maybe", 'prefix is there or not, and has no value "maybe"'],
  ["GET", "/kv/a?rev=1&rev=2", "rev is given twice"],
  ["DELETE", "/kv/a?prefx", 'unknown parameter "prefx"; here they are: prefix'],
  ["PUT", "/kv/a?lease=x1", 'lease is a lease\'s id as a decimal number, not "x1"'],
  ["PUT", "/kv/a?lease=9223372036854775808", 'lease is a lease\'s id as a decimal number, not "9223372036854775808"'],
])("what cannot be meant is refused in words: %s %s", async (method, path, message) => {
  const endpoint = await Endpoint.open();

  const answer = await endpoint.call(path, { method });

  expect([answer.status, answer.json]).toEqual([400, { code: 3, message }]);
});

test("other methods are refused, OPTIONS says which there are, and HEAD has no body", async () => {
  const endpoint = await withKeys(["a", "12345"]);

  const post = await endpoint.call("/kv/a", { method: "POST", body: "x" });
  const options = await endpoint.call("/kv/a", { method: "OPTIONS", headers: { origin: "https://page.example" } });
  const head = await endpoint.call("/kv/a", { method: "HEAD" });
  const watch = await endpoint.call("/kv/a?watch", { method: "HEAD" });

  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD, PUT, DELETE, OPTIONS"]);
  expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, PUT, DELETE, OPTIONS"]);
  expect(options.headers.get("access-control-allow-headers")).toContain("if-match");
  expect([head.status, head.text, head.headers.get("etag")]).toEqual([200, "", '"2"']);
  expect(head.headers.get("content-length")).toBe("5");
  expect(watch.status).toBe(200);
});

test("pages of other origins may see the tag, if they may call at all", async () => {
  const endpoint = await Endpoint.open({ allowedOrigins: ["https://app.example"] });
  const put = (origin: string) => endpoint.call("/kv/a", { method: "PUT", body: "1", headers: { origin } });

  const listed = await put("https://app.example");
  const stranger = await put("https://evil.example");
  const preflight = await endpoint.call("/kv/a", { method: "OPTIONS", headers: { origin: "https://evil.example" } });

  expect([listed.status, listed.headers.get("access-control-allow-origin")]).toEqual([200, "https://app.example"]);
  expect(listed.headers.get("access-control-expose-headers")).toContain("etag");
  expect([stranger.status, stranger.json.code, preflight.status]).toEqual([403, 7, 403]);
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://evil.example");
});

test("a value that is too large is 413, by the member's limit and by the body's", async () => {
  const member = await Endpoint.open({}, { limits: { requestBytes: 100 } });
  const body = await Endpoint.open({ maxBodyBytes: 100 });
  const put = (endpoint: Endpoint) => endpoint.call("/kv/a", { method: "PUT", body: "x".repeat(101) });

  for (const answer of [await put(member), await put(body)]) {
    expect([answer.status, answer.json]).toEqual([413, { code: 3, message: "etcdserver: request is too large" }]);
  }
});

test("with auth on, a call without a token is 401, and a token goes into Authorization", async () => {
  const guarded = await GuardedCluster.open();
  await guarded.grant("READWRITE", "a");
  const endpoint = new Endpoint(guarded.cluster, guarded.at());
  const { json } = await endpoint.post("/v3/auth/authenticate", { name: "amy", password: "amy" });
  const amy = { authorization: `Bearer ${json.token}` };

  const nobody = await endpoint.call("/kv/a");
  const put = await endpoint.call("/kv/a", { method: "PUT", body: "1", headers: { ...amy, "if-none-match": "*" } });
  const get = await endpoint.call("/kv/a", { headers: amy });
  const wrong = await endpoint.call("/kv/a", { headers: { authorization: "no token" } });
  const others = await endpoint.call("/kv/b", { method: "DELETE", headers: amy });
  const silent = await endpoint.call("/kv/a?watch");
  const watch = await endpoint.call("/kv/?prefix&watch", { headers: amy });

  expect([nobody.status, nobody.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  expect([put.status, get.status, get.text]).toEqual([201, 200, "1"]);
  expect([wrong.status, others.status, silent.status]).toEqual([401, 403, 401]);
  expect([watch.status, watch.json]).toEqual([403, { code: 7, message: "etcdserver: permission denied" }]);
});
