/** What an error of the cluster means for a replica. */
import {
  EtcdError,
  errAuthFailed,
  errAuthOldRevision,
  errInvalidAuthToken,
  errUserEmpty,
  GrpcCode,
} from "../../protocol/errors.ts";

/** The copy would be larger than it may be. Code ResourceExhausted. */
export class ReplicaFullError extends EtcdError {
  constructor(sizeBytesMax: number) {
    const most = `${sizeBytesMax} bytes`;
    super(GrpcCode.ResourceExhausted, `the replica's prefixes hold more than ${most}: narrow them, or raise maxBytes`);
    this.name = "ReplicaFullError";
  }
}

/**
 * "denied": the user may not read this prefix. "stranger": the user may read nothing, or is not known. "compacted": the
 * history is gone, and the cluster is listed again. "over": nothing that is tried again would help. "passing": all else.
 */
export type Meaning = "denied" | "stranger" | "compacted" | "over" | "passing";

/** As etcd says that it does not know a caller, or not any more. */
const STRANGER_TEXTS: ReadonlySet<string> = new Set(
  [errAuthFailed, errInvalidAuthToken, errUserEmpty].map(({ message }) => message),
);

const FINAL: ReadonlySet<GrpcCode> = new Set([
  GrpcCode.NotFound,
  GrpcCode.InvalidArgument,
  GrpcCode.Unimplemented,
  GrpcCode.FailedPrecondition,
]);

export function meaningOf(error: unknown): Meaning {
  if (!(error instanceof EtcdError) || error instanceof ReplicaFullError) return "over";
  if (error.message === errAuthOldRevision.message) return "passing";
  if (STRANGER_TEXTS.has(error.message)) return "stranger";
  const { code } = error;
  if (code === GrpcCode.PermissionDenied) return "denied";
  if (code === GrpcCode.Unauthenticated) return "stranger";
  if (code === GrpcCode.OutOfRange) return "compacted";
  return FINAL.has(code) ? "over" : "passing";
}
