/** Failures between the client and a server, as EtcdErrors that say where and what. */
import { EtcdError, GrpcCode, grpcCodeOf } from "../../protocol/etcd-error.ts";
import { NotSentError, servedError } from "../common/transport-errors.ts";

/** Node aborts a response without data for five minutes, such as that of a watch without events. */
export class IdleError extends EtcdError {
  constructor(endpoint: string) {
    super(GrpcCode.Unavailable, `the connection to ${endpoint} was idle for too long`);
    this.name = "IdleError";
  }
}

const SHOWN_CHARACTERS = 200;

/** Node reports why a connection failed. A browser does not, to protect its user's network. */
const NO_CONNECTION_CODES = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;

export function connectionError(endpoint: string, error: unknown): EtcdError {
  const cause = (error as { readonly cause?: unknown } | undefined)?.cause;
  const code = String((cause as { readonly code?: string } | undefined)?.code);
  if (code === "UND_ERR_BODY_TIMEOUT") return new IdleError(endpoint);
  const text = `no connection to ${endpoint}: ${reasonText(cause) ?? reasonText(error) ?? String(error)}`;
  if (NO_CONNECTION_CODES.test(code)) return new NotSentError(text);
  if (code.startsWith("ERR_SSL_")) {
    // Trying again does not help, so it is not Unavailable.
    return new EtcdError(GrpcCode.FailedPrecondition, `${text}. Is it http: instead of https:?`);
  }
  return new EtcdError(GrpcCode.Unavailable, text);
}

export function unexpectedResponseError(endpoint: string, text: string): EtcdError {
  const isPage = text.trimStart().startsWith("<");
  const message = isPage
    ? `${endpoint} answered with a web page: no Quorate and no etcd is at this address`
    : `${endpoint} did not answer with etcd's JSON: ${shorten(text)}`;
  return new EtcdError(GrpcCode.Internal, message);
}

/** Converts a response other than 200: etcd's status object, bare or under `error`, or a proxy's text. */
export function responseError(endpoint: string, status: number, text: string): EtcdError {
  const error = statusError(parseJson(text));
  if (error === undefined) {
    // A proxy in front of an endpoint answers with pages too, when it has nobody to ask.
    const isPage = text.trimStart().startsWith("<") && status < 500;
    const said = isPage ? "a web page: no Quorate and no etcd is at this address" : shorten(text) || "(empty)";
    return new EtcdError(codeOfHttp(status), `HTTP ${status} from ${endpoint}: ${said}`);
  }
  return servedError(error);
}

/** Reads a google.rpc.Status in JSON. Older etcds add the text under `error`. */
export function statusError(json: unknown): EtcdError | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { error, code, message } = json as {
    readonly error?: unknown;
    readonly code?: unknown;
    readonly message?: unknown;
  };
  if (typeof error === "object") return statusError(error);
  if (typeof code !== "number") return undefined;
  const text = typeof message === "string" ? message : error;
  return new EtcdError(grpcCodeOf(code), typeof text === "string" ? text : "");
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function codeOfHttp(status: number): GrpcCode {
  if (status === 401) return GrpcCode.Unauthenticated;
  if (status === 403) return GrpcCode.PermissionDenied;
  if (status === 404) return GrpcCode.NotFound;
  if (status === 405 || status === 501) return GrpcCode.Unimplemented;
  if (status === 429) return GrpcCode.ResourceExhausted;
  if (status === 408) return GrpcCode.DeadlineExceeded;
  if (status >= 502 && status <= 504) return GrpcCode.Unavailable;
  if (status >= 400 && status < 500) return GrpcCode.InvalidArgument;
  return GrpcCode.Unknown;
}

/** Node collects the failures of several addresses in one error without a text of its own. */
function reasonText(reason: unknown): string | undefined {
  if (!(reason instanceof Error)) return undefined;
  const [first] = (reason as { readonly errors?: readonly unknown[] }).errors ?? [];
  return reason.message || reasonText(first) || reason.name;
}

function shorten(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
}
