/** Failures between the client and a server, whatever carries the call. */
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";

/** The request cannot have reached the server, so even a write may be retried. */
export class NotSentError extends EtcdError {
  constructor(message: string) {
    super(GrpcCode.Unavailable, message);
    this.name = "NotSentError";
  }
}

/** Two texts of Go's balancer. A gateway responds with them when it could not forward the request. */
const NOT_SENT_TEXTS = /^there is no (address|connection) available$/;

/** The error that a server responded with. */
export function servedError(error: EtcdError): EtcdError {
  return NOT_SENT_TEXTS.test(error.message) ? new NotSentError(error.message) : error;
}

export function timeoutError(endpoint: string, timeoutMs: number): EtcdError {
  return new EtcdError(GrpcCode.DeadlineExceeded, `no answer from ${endpoint} within ${timeoutMs} ms`);
}

export function canceledError(): EtcdError {
  return new EtcdError(GrpcCode.Canceled, "the call was given up");
}
