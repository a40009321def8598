import { expect, test } from "vitest";
import { Endpoint } from "../support/endpoint.ts";

const MIB = 1024 * 1024;

test("a request above the member's limit is too large, as etcd words it", async () => {
  const endpoint = await Endpoint.open();

  const answer = await endpoint.post("/v3/kv/put", { key: "Zm9v", value: btoa("x".repeat(1_600_000)) });

  expect([answer.status, answer.text]).toEqual([400, '{"code":3,"message":"etcdserver: request is too large"}']);
});

test("a message above gRPC's limit in a body below ours is refused with its own size", async () => {
  const endpoint = await Endpoint.open();
  const value = btoa("x".repeat(2_200_000));
  const { status, json } = await endpoint.post("/v3/kv/put", { key: "YmlnLTEyMw==", value });
  const message = "grpc: received message larger than max (2200014 vs. 2097152)";
  expect([status, json]).toEqual([429, { code: 8, message }]);
});

test("a body of 10 MB is refused, and its sender gets rid of it before", async () => {
  const endpoint = await Endpoint.open();
  const sender = new Sender(10);

  const answer = await endpoint.call("/v3/kv/put", upload(sender.body, { "content-length": String(10 * MIB) }));

  expect([answer.status, answer.json.code]).toEqual([429, 8]);
  expect(answer.json.message).toBe(`grpc: received message larger than max (${10 * MIB} vs. 2097152)`);
  expect(sender.sentMib).toBe(10);
});

test("a body without end is not read for ever", async () => {
  const endpoint = await Endpoint.open();
  const sender = new Sender(Infinity);

  const answer = await endpoint.call("/v3/kv/put", upload(sender.body));

  expect(answer.status).toBe(429);
  expect(sender.sentMib).toBeLessThan(70);
  expect(sender.cancelled).toBe(true);
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

test("a body in chunks is joined, even inside a character", async () => {
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

/** A body of so many MiB, sent as fast as it is taken. */
class Sender {
  readonly body: ReadableStream<Uint8Array>;
  sentMib = 0;
  cancelled = false;

  constructor(mib: number) {
    const piece = new Uint8Array(MIB).fill(0x20);
    this.body = new ReadableStream(
      {
        pull: (controller) => {
          if (this.sentMib === mib) return controller.close();
          this.sentMib += 1;
          controller.enqueue(piece);
        },
        cancel: () => {
          this.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
  }
}

function upload(body: ReadableStream, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body, headers, duplex: "half" } as RequestInit;
}
