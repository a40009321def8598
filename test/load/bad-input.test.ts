/** What etcd refuses, or survives, as both fronts of a member do it: each case was played to an etcd v3.7.1. */
import { connect } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkTxn } from "../../src/mvcc/validate.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { encode } from "../../src/protocol/codec/proto-codec.ts";
import { txnRequestSchema } from "../../src/protocol/api/schema/kv-schema.ts";
import { txnRequest } from "../../src/protocol/api/kv.ts";
import type { TxnRequest } from "../../src/protocol/api/kv.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { serveGrpc } from "../grpc/support/served-grpc.ts";
import type { ServedGrpc } from "../grpc/support/served-grpc.ts";

const TOO_MANY = "etcdserver: too many operations in txn request";

let member: ServedMember;
let proxy: ServedGrpc;

beforeAll(async () => {
  member = await serveMember();
  proxy = await serveGrpc(member.services);
});

afterAll(async () => {
  await proxy.close();
  await member.close();
});

describe("txns in one another", () => {
  test("128 are executed, and their responses nest as deep", async () => {
    expect(await overJson(128)).toMatchObject({ status: 200 });
    expect(await overGrpc(bytesOf(nested(128)))).toEqual({ code: GrpcCode.OK, details: "" });
  });

  test.each([129, 3333])("%i are too many operations", async (depth) => {
    expect(await overJson(depth)).toMatchObject({ status: 400, message: TOO_MANY });
    expect(await overGrpc(rawNested(depth))).toEqual({ code: GrpcCode.InvalidArgument, details: TOO_MANY });
  });

  test("as JSON, more brackets than 10,000 in one another are no request", async () => {
    const message = "invalid character '[' exceeded max depth";
    expect(await overJson(3334)).toMatchObject({ status: 400, message });
    expect(await overJson(50_000)).toMatchObject({ status: 400, message });
  });

  test("as protobuf, 500,000 bytes of beginnings are refused, and the next caller is served", async () => {
    expect(await overGrpc(rawNested(60_000))).toEqual({ code: GrpcCode.InvalidArgument, details: TOO_MANY });
    expect(await overGrpc(bytesOf(txnRequest()))).toEqual({ code: GrpcCode.OK, details: "" });
  });

  test("however many operations a member allows, no deeper than what it can read back from its log", () => {
    expect(() => checkTxn(nested(255), 100_000)).not.toThrow();
    expect(() => checkTxn(nested(256), 100_000)).toThrow(TOO_MANY);
  });
});

test("invalid bytes are rejected with the text of etcd's server, on every kind of call", async () => {
  const details = "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data";
  for (const path of ["KV/Put", "KV/RangeStream", "Watch/Watch", "Lease/LeaseKeepAlive"]) {
    expect(await overGrpc(Uint8Array.from([0x0a, 0xff]), path)).toEqual({ code: GrpcCode.Internal, details });
  }
});

function nested(depth: number): TxnRequest {
  let request = txnRequest();
  for (let level = 0; level < depth; level++) request = txnRequest({ success: [{ type: "txn", txn: request }] });
  return request;
}

function bytesOf(request: TxnRequest): Uint8Array {
  return encode(txnRequestSchema, request);
}

/** By hand, from the inside out: deeper than our own encoder goes. */
function rawNested(depth: number): Uint8Array {
  const parts: number[][] = [];
  let length = 0;
  for (let level = 0; level < depth; level++) {
    for (const tag of [0x22, 0x12]) {
      const part = [tag, ...varint(length)];
      length += part.length;
      parts.push(part);
    }
  }
  return Uint8Array.from(parts.reverse().flat());
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

async function overJson(depth: number): Promise<{ readonly status: number; readonly message?: string }> {
  const body = `${'{"success":[{"requestTxn":'.repeat(depth)}{}${"}]}".repeat(depth)}`;
  const response = await fetch(`${member.endpoint}/v3/kv/txn`, { method: "POST", body });
  return { status: response.status, ...((await response.json()) as { message?: string }) };
}

/** Bytes as they are: a gRPC library would want a message. */
function overGrpc(message: Uint8Array, path = "KV/Txn"): Promise<{ readonly code: number; readonly details: string }> {
  const session = connect(`http://${proxy.address}`);
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/grpc", te: "trailers" };
    const call = session.request({ ":method": "POST", ":path": `/etcdserverpb.${path}`, ...headers });
    const received = (given: IncomingHttpHeaders): void => {
      if (given["grpc-status"] === undefined) return;
      const text = given["grpc-message"];
      const details = typeof text === "string" ? decodeURIComponent(text) : "";
      resolve({ code: Number(given["grpc-status"]), details: details === "OK" ? "" : details });
    };
    call.on("response", received).on("trailers", received).on("error", reject);
    call.on("close", () => session.close());
    call.resume();
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    call.end(frame);
  });
}
