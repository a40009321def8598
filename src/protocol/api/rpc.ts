/**
 * How a method of a gRPC service is described: its names, what goes in and out, and under which paths etcd's JSON gateway
 * has it. Fronts, clients and tests are made from such descriptions.
 */
import type { Schema } from "../codec/schema.ts";

/** One request and one answer; one request and many answers; many of both, each whenever it likes. */
export type RpcKind = "unary" | "serverStream" | "bidi";

export interface RpcOptions {
  /** Changes nothing, so that a client may send it twice. */
  readonly isRead?: boolean;
  /** Its answer may take as long as it likes: others have to act first. */
  readonly isPatient?: boolean;
}

export interface Rpc<Request, Response, Kind extends RpcKind = "unary"> extends RpcOptions {
  /** `etcdserverpb.KV`. */
  readonly service: string;
  /** `Range`. */
  readonly method: string;
  readonly request: Schema<Request>;
  readonly response: Schema<Response>;
  readonly kind: Kind;
  /** Clients use the first; others are from before it moved. */
  readonly paths: readonly string[];
}

/** As HTTP/2 has it in `:path`. */
export function rpcPath({ service, method }: { readonly service: string; readonly method: string }): string {
  return `/${service}/${method}`;
}

// Marked as free of side effects, so that a bundle holds those descriptions only that it uses.
/* @__NO_SIDE_EFFECTS__ */
export function unary<Request, Response>(
  service: string,
  method: string,
  paths: readonly string[],
  request: Schema<Request>,
  response: Schema<Response>,
  options?: RpcOptions,
): Rpc<Request, Response> {
  return { service, method, paths, request, response, kind: "unary", ...options };
}

/* @__NO_SIDE_EFFECTS__ */
export function serverStream<Request, Response>(
  service: string,
  method: string,
  paths: readonly string[],
  request: Schema<Request>,
  response: Schema<Response>,
  options?: RpcOptions,
): Rpc<Request, Response, "serverStream"> {
  return { service, method, paths, request, response, kind: "serverStream", ...options };
}

/* @__NO_SIDE_EFFECTS__ */
export function bidi<Request, Response>(
  service: string,
  method: string,
  paths: readonly string[],
  request: Schema<Request>,
  response: Schema<Response>,
  options?: RpcOptions,
): Rpc<Request, Response, "bidi"> {
  return { service, method, paths, request, response, kind: "bidi", ...options };
}
