/** A member's services indexed by the method table. API layers look up methods by the names of the table. */
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { RPCS } from "../../protocol/api/rpc/rpc-table.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import type { CallContext, Services } from "./services.ts";

type TableServices = {
  readonly [Service in keyof RpcTable]: {
    readonly [Name in keyof RpcTable[Service]]: unknown;
  };
};

export type AnyRpc = Rpc<unknown, unknown, RpcKind>;

export interface ServedRpc {
  readonly rpc: AnyRpc;
  /** Calls the method. The type of its result depends on the method's kind. */
  readonly method: (message: unknown, context: CallContext) => unknown;
}

/** One of the table, with the service's method; undefined when there is none of that name. */
export function servedRpc(services: Services, service: string, name: string): ServedRpc | undefined {
  const rpcs = Object.hasOwn(RPCS, service) ? (RPCS as unknown as AnyRpcs)[service] : undefined;
  const rpc = rpcs !== undefined && Object.hasOwn(rpcs, name) ? rpcs[name] : undefined;
  if (rpc === undefined) return undefined;
  const methods = services as unknown as AnyMethods;
  return { rpc, method: (message, context) => methods[service]?.[name]?.(message, context) };
}

type AnyRpcs = Readonly<Record<string, Readonly<Record<string, AnyRpc>>>>;
type AnyMethods = Readonly<Record<string, Readonly<Record<string, ServedRpc["method"]>>>>;

/** Returns all methods of the table, each with the service's implementation, which is looked up per call. */
export function servedRpcs(services: Services): readonly ServedRpc[] {
  // The compiler reports a missing name here. The types of derived services come from the table (services.ts).
  const table: TableServices = services;
  const methods = table as unknown as AnyMethods;
  return Object.entries(RPCS as unknown as AnyRpcs).flatMap(([service, rpcs]) =>
    Object.entries(rpcs).map(([name, rpc]) => ({
      rpc,
      method: (message: unknown, context: CallContext): unknown => methods[service]?.[name]?.(message, context),
    })),
  );
}
