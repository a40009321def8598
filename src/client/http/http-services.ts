/**
 * A member behind HTTP, as `Services`. It speaks etcd's JSON API, so it also works with a real etcd. The methods are
 * derived from the method table. Those of keys, watches and leases are loaded at once. The messages of the others,
 * which are more than half of etcd's API and seldom used, are loaded with the first call.
 *
 * Two methods are not in etcd's JSON API. `inspect` reads `GET {endpoint}/quorate/status`; the client works without it.
 * `rangeStream` has no path in etcd's gateway. Reads are retried while the server is unavailable; writes only if they
 * surely were not sent.
 */
import { iterableSource } from "../common/iterable-source.ts";
import type { Source } from "../../member/api/source.ts";
import type { CallContext, MemberView, Services } from "../../member/api/services.ts";
import { lazyService, loadedOnce } from "../../member/api/lazy-service.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import { LEASE_RPCS } from "../../protocol/api/rpc/lease-rpcs.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import { unexpectedResponseError, parseJson } from "./http-errors.ts";
import { HttpNdjson } from "./http-ndjson.ts";
import { HttpWatchStream } from "./http-watch.ts";
import { responseOf, lineOf } from "./json-messages.ts";
import { WebSocketWatchStream } from "./websocket-watch.ts";
import type { WebSocketConstructor } from "./websocket-watch.ts";

export interface HttpServicesOptions extends HttpOptions {
  /**
   * With it, watches use a WebSocket, in both directions at once. Without it, each watch is a streamed HTTP response.
   */
  readonly WebSocket?: WebSocketConstructor;
}

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function httpServices(options: HttpServicesOptions): Services {
  const caller = new HttpCaller(options);
  const { endpoint, timeoutMs } = caller;
  const { WebSocket } = options;
  const table = loadedOnce(async () => (await import("../../protocol/api/rpc/rpc-table.ts")).RPCS);
  const health = loadedOnce(async () => (await import("./http-health.ts")).httpHealth(caller));
  const { lock, election, auth, cluster, maintenance } = RPC_KINDS;
  return {
    kv: served(caller, "kv", KV_RPCS),
    watch: {
      watch: (context) =>
        WebSocket === undefined
          ? new HttpWatchStream(caller, context)
          : new WebSocketWatchStream({ endpoint, timeoutMs, WebSocket, token: caller.tokenOf(context) }),
    },
    lease: served(caller, "lease", LEASE_RPCS),
    lock: lazyService(lock, async () => served(caller, "lock", (await table()).lock)),
    election: lazyService({ ...election, observe: "bidi" }, async () =>
      served(caller, "election", (await table()).election),
    ),
    auth: lazyService(auth, async () => served(caller, "auth", (await table()).auth)),
    cluster: lazyService(cluster, async () => served(caller, "cluster", (await table()).cluster)),
    maintenance: lazyService(maintenance, async () => served(caller, "maintenance", (await table()).maintenance)),
    health: {
      check: async (what) => (await health()).check(what),
      probe: async (kind, names) => (await health()).probe(kind, names),
      metrics: () => [],
    },
    inspect: { view: () => viewOf(caller) },
  };
}

/** The compiler compares the table with the services in member/api/table-services.ts. */
function served<Name extends keyof RpcTable>(caller: HttpCaller, _name: Name, rpcs: RpcTable[Name]): Services[Name] {
  const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
  return Object.fromEntries(methods.map(([name, rpc]) => [name, methodOf(caller, rpc)])) as object as Services[Name];
}

function methodOf(caller: HttpCaller, rpc: AnyRpc): AnyMethod {
  if (rpc.kind === "serverStream") return (message, context) => streamed(caller, rpc, message, context);
  const { request, response, isRead = false, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  // The bidirectional stream of keep-alives is used for single ones: the response is the first line of a stream.
  const read = rpc.kind === "bidi" ? lineOf : responseOf;
  return async (message, context) => {
    const body = encodeJson(request, message);
    return read(
      response,
      caller.endpoint,
      await caller.call({ method: "POST", path, body, context, isRead, isPatient }),
    );
  };
}

/** The request is sent at once. The response is read as fast as the caller reads. */
function streamed(
  caller: HttpCaller,
  rpc: AnyRpc,
  message: unknown,
  context: CallContext,
): AsyncIterable<unknown> & Source<unknown> {
  const { request, response, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  const lines = new HttpNdjson(caller, { path, body: encodeJson(request, message), context, what: path, isPatient });
  const close = (): void => lines.close();
  context.signal?.addEventListener("abort", close, { once: true });
  const next = async (): Promise<unknown> => {
    const line = await lines.next();
    return line === undefined ? undefined : lineOf(response, caller.endpoint, line);
  };
  return iterableSource(next, close);
}

async function viewOf(caller: HttpCaller): Promise<MemberView> {
  const text = await caller.call({ method: "GET", path: "/quorate/status", context: NO_CONTEXT, isRead: true });
  const view = parseJson(text) as Partial<MemberView> | undefined;
  if (typeof view?.id !== "string" || !Array.isArray(view.members))
    throw unexpectedResponseError(caller.endpoint, text);
  return view as MemberView;
}
