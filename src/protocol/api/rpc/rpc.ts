/**
 * Describes a method of a gRPC service: its names, its request and response, and its paths in etcd's JSON gateway. The
 * API layer, clients and tests are derived from such descriptions.
 */
import type { Schema } from "../../codec/schema.ts";

/** One request and one response; one request and many responses; many of both, independently. */
export type RpcKind = "unary" | "serverStream" | "bidi";

export interface RpcOptions {
  /** Changes nothing, so that a client may send it twice. */
  readonly isRead?: boolean;
  /** Its response may take any time, because it waits for other calls. */
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
  /** Clients use the first path; others are former ones. */
  readonly paths: readonly string[];
}

/** As in HTTP/2's `:path`. */
export function rpcPath({ service, method }: { readonly service: string; readonly method: string }): string {
  return `/${service}/${method}`;
}

// Marked as free of side effects, so that a bundle contains only the descriptions that it uses.
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
