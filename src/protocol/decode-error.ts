/** The errors of all codecs. The API layer translates them to etcd's errors. */
import { errTooManyOps, EtcdError, GrpcCode } from "./errors.ts";

/** Invalid bytes from a peer, a disk or a client. Decoding them had no effect. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecodeError";
  }
}

/** The nesting of messages is deeper than any reader accepts. Of etcd's messages only txns nest without limit. */
export class TooDeepError extends DecodeError {}

/** The message of etcd's gRPC server for a request that it could not decode. */
export function unreadableRequest(thrown: unknown): EtcdError {
  if (!(thrown instanceof DecodeError)) throw thrown;
  if (thrown instanceof TooDeepError) return errTooManyOps;
  return new EtcdError(
    GrpcCode.Internal,
    "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
  );
}
