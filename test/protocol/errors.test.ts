import { expect, test } from "vitest";
import * as errors from "../../src/protocol/errors.ts";

const constants = Object.entries(errors).filter(
  (entry): entry is [string, errors.EtcdError] => entry[1] instanceof errors.EtcdError,
);

test("all of etcd's 63 errors exist, no two with the same text, because clients distinguish them by it", () => {
  expect(constants.length).toBe(63);
  expect(new Set(constants.map(([, error]) => error.message)).size).toBe(63);
  for (const [name, error] of constants) expect(error.message, name).toMatch(/^etcdserver: /);
});

test("an error's HTTP status is the gateway's", () => {
  expect(errors.httpStatus(errors.errCompacted.code)).toBe(400);
  expect(errors.httpStatus(errors.errNoSpace.code)).toBe(429);
  expect(errors.httpStatus(errors.errPermissionDenied.code)).toBe(403);
  expect(errors.httpStatus(errors.errInvalidAuthToken.code)).toBe(401);
  expect(errors.httpStatus(errors.errNoLeader.code)).toBe(503);
  expect(errors.httpStatus(errors.errLeaseNotFound.code)).toBe(404);
  expect(errors.httpStatus(errors.errCorrupt.code)).toBe(500);
  expect(errors.httpStatus(errors.errCanceled.code)).toBe(499);
});

test("a status prints as Go's gRPC prints it", () => {
  expect(errors.rpcErrorText(errors.errPermissionDenied)).toBe(
    "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
  );
});

test("a code that gRPC does not have is Unknown", () => {
  expect(errors.grpcCodeOf(99)).toBe(errors.GrpcCode.Unknown);
  expect(errors.grpcCodeOf(-1)).toBe(errors.GrpcCode.Unknown);
  expect(errors.grpcCodeOf(14)).toBe(errors.GrpcCode.Unavailable);
});
