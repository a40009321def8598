/** What is wrong with bytes that cannot be read: all codecs say it alike, and etcd's words are found for it at the front. */
import { errTooManyOps, EtcdError, GrpcCode } from "./errors.ts";

/** Bytes that are not what they should be: from a peer, a disk, or a client. Nothing was changed by reading them. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecodeError";
  }
}

/** Messages in messages, more than anybody reads. Of etcd's only txns nest as one likes. */
export class TooDeepError extends DecodeError {}

/** What etcd's gRPC server says of a request that it could not read. */
export function unreadableRequest(thrown: unknown): EtcdError {
  if (!(thrown instanceof DecodeError)) throw thrown;
  if (thrown instanceof TooDeepError) return errTooManyOps;
  return new EtcdError(
    GrpcCode.Internal,
    "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
  );
}
