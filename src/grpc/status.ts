/** Errors in the form in which a gRPC server ends a call: the code, and etcd's text in `details`. */
import { Metadata, status } from "@grpc/grpc-js";
import type { ServerErrorResponse } from "@grpc/grpc-js";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";

const errInternal: EtcdError = new EtcdError(GrpcCode.Internal, "internal error");

export function serviceError(thrown: unknown): ServerErrorResponse {
  const error = thrown instanceof EtcdError ? thrown : bug(thrown);
  return Object.assign(new Error(error.message), {
    // The same numbers, converted to grpc-js's own enum.
    code: status[status[error.code] as keyof typeof status],
    details: error.message,
    metadata: new Metadata(),
  });
}

/** No error of etcd's: a bug in this program. Its details are not exposed to callers. */
function bug(thrown: unknown): EtcdError {
  console.error(thrown);
  return errInternal;
}
