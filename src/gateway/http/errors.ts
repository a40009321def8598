/** Errors as etcd's gateway writes them: `google.rpc.Status` as JSON, with the HTTP status of its gRPC code. */
import { EtcdError, GrpcCode, httpStatus } from "../../protocol/errors.ts";
import { errSlowBody } from "./body.ts";

export const JSON_TYPE = "application/json";

/** Not an answer of etcd's: a fault in this program, whose details are nobody else's business. */
const errInternal: EtcdError = new EtcdError(GrpcCode.Internal, "internal error");

/** What is thrown and is no `EtcdError` is a bug; it is shown on the member's console and told as "internal error". */
export function asEtcdError(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  // The one place where a bug in a front can be seen.
  console.error(error);
  return errInternal;
}

/** What the answer to a call that failed is made of, as plain data. */
export interface ErrorParts {
  readonly status: number;
  readonly body: string;
  /** Of a caller that has to say who it is. */
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

/** That of its code, but where HTTP has a better one. */
export function statusOf(error: EtcdError): number {
  return error === errSlowBody ? 408 : httpStatus(error.code);
}

export function responseOf({ status, body, challenge }: ErrorParts): Response {
  const response = new Response(body, { status, headers: { "content-type": JSON_TYPE } });
  if (challenge !== undefined) response.headers.set("www-authenticate", challenge);
  return response;
}

/** Of a streaming method: the same status, one level deeper; etcd's gateway sends no challenge here. */
export function streamErrorResponse(thrown: unknown): Response {
  const error = asEtcdError(thrown);
  return errorAnswer(error, streamErrorLine(error));
}

/** The last line of a stream that had already begun. */
export function streamErrorLine(thrown: unknown): string {
  return `{"error":${statusText(asEtcdError(thrown))}}\n`;
}

export function statusResponse(status: number, code: GrpcCode, message: string): Response {
  return new Response(JSON.stringify({ code, message }), { status, headers: { "content-type": JSON_TYPE } });
}

function statusText({ code, message }: EtcdError): string {
  return JSON.stringify({ code, message });
}

function errorAnswer(error: EtcdError, body: string): Response {
  return new Response(body, { status: statusOf(error), headers: { "content-type": JSON_TYPE } });
}
