/** A member's services indexed by the method table. API layers look up methods by the names of the table. */
import type { Rpc, RpcKind } from "../../protocol/api/rpc.ts";
import { RPCS } from "../../protocol/api/rpc-table.ts";
import type { RpcTable } from "../../protocol/api/rpc-table.ts";
import type { Source } from "./source.ts";
import type { CallContext, Services } from "./services.ts";

/** The type of bidirectional streams is specific to each service. */
type Method<Described> =
  Described extends Rpc<infer Request, infer Response, infer Kind>
    ? Kind extends "unary"
      ? (message: Request, context: CallContext) => Promise<Response>
      : Kind extends "serverStream"
        ? (message: Request, context: CallContext) => AsyncIterable<Response> | Source<Response>
        : unknown
    : never;

type TableServices = {
  readonly [Service in keyof RpcTable]: {
    readonly [Name in keyof RpcTable[Service]]: Method<RpcTable[Service][Name]>;
  };
};

export type AnyRpc = Rpc<unknown, unknown, RpcKind>;

export interface ServedRpc {
  readonly rpc: AnyRpc;
  /** Calls the method. The type of its result depends on the method's kind. */
  readonly method: (message: unknown, context: CallContext) => unknown;
}

type AnyRpcs = Readonly<Record<string, Readonly<Record<string, AnyRpc>>>>;
type AnyMethods = Readonly<Record<string, Readonly<Record<string, ServedRpc["method"]>>>>;

/** Returns all methods of the table, each with the service's implementation, which is looked up per call. */
export function servedRpcs(services: Services): readonly ServedRpc[] {
  // Here the compiler compares services and table. Below, only names remain.
  const table: TableServices = services;
  const methods = table as unknown as AnyMethods;
  return Object.entries(RPCS as unknown as AnyRpcs).flatMap(([service, rpcs]) =>
    Object.entries(rpcs).map(([name, rpc]) => ({
      rpc,
      method: (message: unknown, context: CallContext): unknown => methods[service]?.[name]?.(message, context),
    })),
  );
}
