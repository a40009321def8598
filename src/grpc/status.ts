/** Errors as a gRPC server ends a call with them: the code, and etcd's text in `details`. */
import { Metadata, status } from "@grpc/grpc-js";
import type { ServerErrorResponse } from "@grpc/grpc-js";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";

const errInternal: EtcdError = new EtcdError(GrpcCode.Internal, "internal error");

export function serviceError(thrown: unknown): ServerErrorResponse {
  const error = thrown instanceof EtcdError ? thrown : bug(thrown);
  return Object.assign(new Error(error.message), {
    // The same numbers, by way of grpc-js's own enum.
    code: status[status[error.code] as keyof typeof status],
    details: error.message,
    metadata: new Metadata(),
  });
}

/** Not an answer of etcd's: a fault in this program, whose details are nobody else's business. */
function bug(thrown: unknown): EtcdError {
  console.error(thrown);
  return errInternal;
}
