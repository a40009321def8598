/**
 * etcd's services between a worker's own code and a member's object: calls of methods, without HTTP. Messages travel as
 * protobuf: a clone of an array would take along the whole buffer of which it is a part.
 */
import type { GrpcCode } from "../../src/protocol/errors.ts";

export interface ServiceCall {
  /** As in `Services`: "kv". */
  readonly service: string;
  /** "range". */
  readonly method: string;
  readonly request: Uint8Array;
  readonly token: string;
  readonly requireLeader: boolean;
}

export type CallResult =
  /** The platform bounds what a call may return, but not a stream. */
  { readonly type: "response"; readonly response: Uint8Array | ReadableStream<Uint8Array> } | CallFailure;

export interface CallFailure {
  readonly type: "error";
  readonly code: GrpcCode;
  readonly message: string;
}

export type OpenResult = { readonly type: "opened"; readonly stream: RpcStream } | CallFailure;

/** Responses that are pulled one at a time, so that a slow reader holds back its own. Closed when it is disposed of. */
export interface RpcStream {
  request(message: Uint8Array): Promise<void>;
  /** The next response, or undefined at the end. */
  next(): Promise<CallResult | undefined>;
  close(): Promise<void>;
}

/** With what the member says beside it; see internal-headers.ts. */
export interface WithHints<Result> {
  readonly hints: Readonly<Record<string, string>>;
  readonly result: Result;
}

/** A member, as the worker's own code calls it. */
export interface ServiceTarget {
  call(call: ServiceCall): Promise<WithHints<CallResult>>;
  /** For streams, and for calls that wait until others have acted. */
  open(call: ServiceCall): Promise<WithHints<OpenResult>>;
}
