import { expect, test } from "vitest";
import { Endpoint } from "./endpoint.ts";

const TOO_LARGE = 10 * 1024 * 1024;

test("a request above the member's limit is too large, as etcd words it", async () => {
  const endpoint = await Endpoint.open();

  const answer = await endpoint.post("/v3/kv/put", { key: "Zm9v", value: btoa("x".repeat(1_600_000)) });

  expect([answer.status, answer.text]).toEqual([400, '{"code":3,"message":"etcdserver: request is too large"}']);
});

test("a body declared as 10 MB is refused unread", async () => {
  const endpoint = await Endpoint.open();
  let pulled = 0;
  const body = new ReadableStream(
    { pull: (controller) => controller.enqueue(new Uint8Array(++pulled)) },
    { highWaterMark: 0 },
  );

  const answer = await endpoint.call("/v3/kv/put", upload(body, { "content-length": String(TOO_LARGE) }));

  expect([answer.status, answer.json.code]).toEqual([429, 8]);
  expect(answer.json.message).toBe(`grpc: received message larger than max (${TOO_LARGE} vs. 2097152)`);
  expect(pulled).toBe(0);
});

test("a body of no declared length is read no further than the limit", async () => {
  const endpoint = await Endpoint.open({ maxBodyBytes: 10_000 });
  let pulled = 0;
  let cancelled = false;
  const body = new ReadableStream(
    {
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1000).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );

  const answer = await endpoint.call("/v3/kv/put", upload(body));

  expect(answer.status).toBe(429);
  expect(pulled).toBeLessThan(20);
  expect(cancelled).toBe(true);
});

test("a body that is longer than it declares is refused all the same", async () => {
  const endpoint = await Endpoint.open({ maxBodyBytes: 1000 });
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(2000).fill(0x20));
      controller.close();
    },
  });

  const answer = await endpoint.call("/v3/kv/put", upload(body, { "content-length": "5" }));

  expect(answer.status).toBe(429);
});

test("a body in pieces is put together, even inside a character", async () => {
  const endpoint = await Endpoint.open();
  const bytes = new TextEncoder().encode('{"ключ":"é","key":"Zm9v","value":"YmFy"}');
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });

  const answer = await endpoint.call("/v3/kv/put", upload(body));

  expect(answer.json.header.revision).toBe("2");
});

test("a body that breaks off is the sender's error and changes nothing", async () => {
  const endpoint = await Endpoint.open();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"key":"Zm9v"'));
      controller.error(new Error("connection lost"));
    },
  });

  const answer = await endpoint.call("/v3/kv/put", upload(body));
  const range = await endpoint.post("/v3/kv/range", { key: "Zm9v" });

  expect([answer.status, answer.text]).toEqual([400, '{"code":3,"message":"unexpected EOF"}']);
  expect(range.json.count).toBeUndefined();
});

function upload(body: ReadableStream, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body, headers, duplex: "half" } as RequestInit;
}
