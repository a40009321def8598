import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { endpointServices, startGrpcProxy } from "quorate/grpc";

const services = endpointServices({ endpoint: process.argv[2], timeoutMs: 10_000 });
const front = await startGrpcProxy({ services, listen: "127.0.0.1:0" });

// KV/Range of the key "foreign", by hand: a gRPC client is not what is tried here.
const key = Buffer.from("foreign");
const message = Buffer.concat([Buffer.from([0x0a, key.length]), key]);
const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
const session = connectHttp2(`http://127.0.0.1:${front.port}`);
const call = session.request({
  ":method": "POST",
  ":path": "/etcdserverpb.KV/Range",
  "content-type": "application/grpc",
  te: "trailers",
});
let status;
call.on("trailers", (trailers) => {
  status = trailers["grpc-status"];
});
const chunks = [];
call.on("data", (chunk) => chunks.push(chunk));
call.end(frame);
await new Promise((resolve, reject) => call.once("end", resolve).once("error", reject));
assert.equal(status, "0");
assert.ok(Buffer.concat(chunks).includes("yes"));
session.close();
await front.close();
services.close();
