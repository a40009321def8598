/**
 * A member behind HTTP and WebSockets, as `Services`. Calls and watches share one WebSocket to a Quorate (mux/); while
 * that is not to be had, and with a real etcd, calls are etcd's JSON API over HTTP, and watches have connections of their
 * own. The methods are derived from the method table. Those of keys, watches and leases are loaded at once. The messages
 * of the others, which are more than half of etcd's API and seldom used, are loaded with the first call, and so is the
 * code of the shared WebSocket and of streams.
 *
 * Two methods are not in etcd's JSON API. `inspect` reads `GET {endpoint}/quorate/status`; the client works without it.
 * `rangeStream` has no path in etcd's gateway. Reads are retried while the server is unavailable; writes only if they
 * surely were not sent.
 */
import { iterableSource } from "../common/iterable-source.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import type { CallContext, MemberView, Services, WatchService } from "../../member/api/services.ts";
import { lazyService, loadedOnce } from "../../member/api/lazy-service.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { EtcdError } from "../../protocol/errors.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import { LEASE_RPCS } from "../../protocol/api/rpc/lease-rpcs.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import { WATCH_RPCS } from "../../protocol/api/rpc/watch-rpcs.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import { unexpectedResponseError, parseJson } from "./http-errors.ts";
import type { streamedOverHttp } from "./http-streams.ts";
import { responseOf, lineOf } from "./json-messages.ts";
import { SharedSocket } from "./shared-socket.ts";

export interface HttpServicesOptions extends HttpOptions {
  /** For the shared WebSocket. Without it, calls are HTTP requests and each watch a streamed HTTP response. */
  readonly WebSocket?: WebSocketConstructor;
  /** Called with the outcome of each call over the shared WebSocket. */
  readonly onOutcome?: (error: EtcdError | undefined) => void;
}

export interface HttpServices extends Services {
  /** Closes the shared WebSocket when what is under way has ended. */
  close(): void;
}

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;
type StreamedOverHttp = typeof streamedOverHttp;
type RangeStream = Pick<Services["kv"], "rangeStream">;

/** How calls reach the endpoint. */
interface Transport {
  readonly caller: HttpCaller;
  readonly socket: SharedSocket | undefined;
  readonly onOutcome: (error: EtcdError | undefined) => void;
}

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function httpServices(options: HttpServicesOptions): HttpServices {
  const caller = new HttpCaller(options);
  const { endpoint } = caller;
  const { WebSocket } = options;
  const token = caller.tokenOf(NO_CONTEXT);
  const socket = WebSocket === undefined ? undefined : new SharedSocket({ endpoint, token, WebSocket });
  const transport: Transport = { caller, socket, onOutcome: options.onOutcome ?? (() => {}) };
  const table = loadedOnce(async () => (await import("../../protocol/api/rpc/rpc-table.ts")).RPCS);
  const health = loadedOnce(async () => (await import("./http-health.ts")).httpHealth(caller));
  const streams = loadedOnce(() => import("./http-streams.ts"));
  const otherWatches = loadedOnce(async () => (await streams()).watchesWithoutSharing(caller, WebSocket));
  const full = async <Name extends "lock" | "election" | "auth" | "cluster" | "maintenance">(
    name: Name,
  ): Promise<Services[Name]> => {
    const [rpcs, code] = await Promise.all([table(), streams()]);
    return served(transport, name, rpcs[name], code.streamedOverHttp);
  };
  const { lock, election, auth, cluster, maintenance } = RPC_KINDS;
  return {
    kv: {
      ...served(transport, "kv", KV_RPCS),
      ...lazyService<RangeStream>({ rangeStream: "serverStream" }, async () =>
        served(transport, "kv", KV_RPCS, (await streams()).streamedOverHttp),
      ),
    },
    watch: lazyService<WatchService & { readonly watch: unknown }>({ watch: "bidi" }, async () => {
      const connection = await socket?.opened();
      if (connection === undefined) return otherWatches();
      return { watch: (context) => connection.open(WATCH_RPCS.watch, named(caller, context)) };
    }),
    lease: served(transport, "lease", LEASE_RPCS),
    lock: lazyService(lock, () => full("lock")),
    election: lazyService({ ...election, observe: "bidi" }, () => full("election")),
    auth: lazyService(auth, () => full("auth")),
    cluster: lazyService(cluster, () => full("cluster")),
    maintenance: lazyService(maintenance, () => full("maintenance")),
    health: {
      check: async (what) => (await health()).check(what),
      probe: async (kind, names) => (await health()).probe(kind, names),
      metrics: () => [],
    },
    inspect: { view: () => viewOf(caller) },
    close: () => socket?.close(),
  };
}

/** The compiler compares the table with the services in member/api/table-services.ts. */
function served<Name extends keyof RpcTable>(
  transport: Transport,
  _name: Name,
  rpcs: RpcTable[Name],
  stream?: StreamedOverHttp,
): Services[Name] {
  const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
  return Object.fromEntries(
    methods.map(([name, rpc]) => [
      name,
      rpc.kind === "serverStream" ? streamed(transport, rpc, stream) : called(transport, rpc),
    ]),
  ) as object as Services[Name];
}

function streamed({ caller, socket }: Transport, rpc: AnyRpc, overHttp: StreamedOverHttp | undefined): AnyMethod {
  return (message, context) => {
    const stream = socket?.forCall(rpc.isPatient === true)?.open(rpc, named(caller, context));
    if (stream === undefined) return overHttp?.(caller, rpc, message, context);
    stream.request(message);
    return iterableSource(
      () => stream.next(),
      () => stream.close(),
    );
  };
}

function called({ caller, socket, onOutcome }: Transport, rpc: AnyRpc): AnyMethod {
  const { request, response, isRead = false, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  // The bidirectional stream of keep-alives is used for single ones: the response is the first line of a stream.
  const read = rpc.kind === "bidi" ? lineOf : responseOf;
  return (message, context) =>
    caller.retried({ context, isRead, isPatient }, async (limit) => {
      const connection = socket?.forCall(isPatient);
      if (connection !== undefined) {
        return observed(connection.call(rpc, message, named(caller, context), limit), onOutcome);
      }
      const body = encodeJson(request, message);
      const call = { method: "POST", path, body, context, isRead, isPatient } as const;
      return read(response, caller.endpoint, await caller.attempt(call, limit));
    });
}

async function observed<Result>(call: Promise<Result>, onOutcome: Transport["onOutcome"]): Promise<Result> {
  try {
    const result = await call;
    onOutcome(undefined);
    return result;
  } catch (error) {
    if (error instanceof EtcdError) onOutcome(error);
    throw error;
  }
}

function named(caller: HttpCaller, context: CallContext): CallContext {
  return { ...context, token: caller.tokenOf(context) };
}

async function viewOf(caller: HttpCaller): Promise<MemberView> {
  const text = await caller.call({ method: "GET", path: "/quorate/status", context: NO_CONTEXT, isRead: true });
  const view = parseJson(text) as Partial<MemberView> | undefined;
  if (typeof view?.id !== "string" || !Array.isArray(view.members))
    throw unexpectedResponseError(caller.endpoint, text);
  return view as MemberView;
}
