/** Errors in the form of etcd's gateway: `google.rpc.Status` as JSON, with the HTTP status of its gRPC code. */
import { EtcdError, GrpcCode, httpStatus } from "../../protocol/errors.ts";
import { errSlowBody } from "./body.ts";

export const JSON_TYPE = "application/json";

/** No error of etcd's: a bug in this program. Its details are not exposed to callers. */
const errInternal: EtcdError = new EtcdError(GrpcCode.Internal, "internal error");

/**
 * Anything thrown that is not an `EtcdError` is a bug. It is logged on the member's console and returned as "internal
 * error".
 */
export function asEtcdError(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  // The only place where a bug in an API layer becomes visible.
  console.error(error);
  return errInternal;
}

/** Parts of the response to a failed call, as plain data. */
export interface ErrorParts {
  readonly status: number;
  readonly body: string;
  /** Set if the caller has to authenticate. */
  readonly challenge: string | undefined;
}

export function errorResponse(thrown: unknown): Response {
  return responseOf(errorParts(thrown));
}

export function errorParts(thrown: unknown): ErrorParts {
  const error = asEtcdError(thrown);
  const challenge = error.code === GrpcCode.Unauthenticated ? error.message : undefined;
  return { status: statusOf(error), body: statusText(error), challenge };
}

/** The status of the gRPC code, unless HTTP has a better one. */
export function statusOf(error: EtcdError): number {
  return error === errSlowBody ? 408 : httpStatus(error.code);
}

export function responseOf({ status, body, challenge }: ErrorParts): Response {
  const response = new Response(body, { status, headers: { "content-type": JSON_TYPE } });
  if (challenge !== undefined) response.headers.set("www-authenticate", challenge);
  return response;
}

/** For a streaming method: the same status, nested one level deeper. etcd's gateway sends no challenge here. */
export function streamErrorResponse(thrown: unknown): Response {
  const error = asEtcdError(thrown);
  return responseOf({ status: statusOf(error), body: streamErrorLine(error), challenge: undefined });
}

/** Returns the last line of a stream that had already begun. */
export function streamErrorLine(thrown: unknown): string {
  return `{"error":${statusText(asEtcdError(thrown))}}\n`;
}

export function statusResponse(status: number, code: GrpcCode, message: string): Response {
  return new Response(JSON.stringify({ code, message }), { status, headers: { "content-type": JSON_TYPE } });
}

function statusText({ code, message }: EtcdError): string {
  return JSON.stringify({ code, message });
}
