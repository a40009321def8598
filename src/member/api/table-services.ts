/** A member's services as the table of methods has them: fronts find a method by the names that it has there. */
import type { Rpc, RpcKind } from "../../protocol/api/rpc.ts";
import { RPCS } from "../../protocol/api/rpc-table.ts";
import type { RpcTable } from "../../protocol/api/rpc-table.ts";
import type { Source } from "./source.ts";
import type { CallContext, Services } from "./services.ts";

/** Streams that go both ways have a form of their own in each service. */
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
  /** What it gives depends on the method's kind. */
  readonly method: (message: unknown, context: CallContext) => unknown;
}

type AnyRpcs = Readonly<Record<string, Readonly<Record<string, AnyRpc>>>>;
type AnyMethods = Readonly<Record<string, Readonly<Record<string, ServedRpc["method"]>>>>;

/** All of the table, each with the service's method, which is looked for when it is called. */
export function servedRpcs(services: Services): readonly ServedRpc[] {
  // The compiler compares the two here; after this only names are left.
  const table: TableServices = services;
  const methods = table as unknown as AnyMethods;
  return Object.entries(RPCS as unknown as AnyRpcs).flatMap(([service, rpcs]) =>
    Object.entries(rpcs).map(([name, rpc]) => ({
      rpc,
      method: (message: unknown, context: CallContext): unknown => methods[service]?.[name]?.(message, context),
    })),
  );
}
