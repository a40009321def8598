/**
 * A cluster as `Services` for the worker's own code: each call is one of a method of a member's object. The balancer says
 * which member, and asks the next one when that one surely did nothing.
 */
import { iterableSource } from "../../src/client/common/iterable-source.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { CallContext, MemberView, ProbeResult, Services } from "../../src/member/api/services.ts";
import type { Source } from "../../src/member/api/source.ts";
import { RPCS, type RpcTable } from "../../src/protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../src/protocol/api/rpc/rpc.ts";
import type { WatchRequest, WatchResponse } from "../../src/protocol/api/watch.ts";
import { decode, encode } from "../../src/protocol/codec/proto-codec.ts";
import { errCanceled } from "../../src/protocol/errors.ts";
import type { CallResult, OpenResult, ServiceCall } from "../common/service-rpc.ts";
import { bytesOf, ClientStream } from "./client-stream.ts";

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;

/** Who finds a member for a call. `isRead`: it may be asked twice. */
export interface Members {
  call(call: ServiceCall, isRead: boolean): Promise<CallResult>;
  open(call: ServiceCall, isRead: boolean): Promise<OpenResult>;
}

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };
const NOTHING = new Uint8Array(0);

export function rpcServices(members: Members): Services {
  const own = async <Answer>(service: string, method: string, message: unknown): Promise<Answer> => {
    const request = utf8Encode(JSON.stringify(message));
    const result = await members.call({ service, method, request, ...NO_CONTEXT }, true);
    return JSON.parse(new TextDecoder().decode(await bytesOf(result))) as Answer;
  };
  const { kv, lease, lock, election, auth, cluster, maintenance } = RPCS;
  return {
    kv: served(members, "kv", kv),
    watch: { watch: (context) => new RpcWatchStream(members, context) },
    lease: served(members, "lease", lease),
    lock: served(members, "lock", lock),
    election: served(members, "election", election),
    auth: served(members, "auth", auth),
    cluster: served(members, "cluster", cluster),
    maintenance: served(members, "maintenance", maintenance),
    health: {
      check: async (what) => (await own<string | null>("health", "check", what)) ?? undefined,
      probe: (kind, names) => own<readonly ProbeResult[]>("health", "probe", { kind, names }),
      metrics: () => [],
    },
    inspect: { view: () => own<MemberView>("inspect", "view", null) },
  };
}

/** The compiler compares table and services in member/api/table-services.ts. */
function served<Name extends keyof RpcTable>(members: Members, service: Name, rpcs: RpcTable[Name]): Services[Name] {
  const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
  return Object.fromEntries(
    methods.map(([name, rpc]) => [name, methodOf(members, service, name, rpc)]),
  ) as object as Services[Name];
}

function methodOf(members: Members, service: string, method: string, rpc: AnyRpc): AnyMethod {
  const { request, response, kind, isRead = false, isPatient = false } = rpc;
  const callOf = (message: unknown, { token, requireLeader }: CallContext) => ({
    service,
    method,
    request: encode(request, message),
    token,
    requireLeader,
  });
  const open = (message: unknown, context: CallContext): ClientStream =>
    new ClientStream(members.open(callOf(message, context), isRead));
  if (kind === "serverStream") return (message, context) => streamed(open(message, context), rpc, context);
  if (isPatient) return (message, context) => patient(open, rpc, message, context);
  return async (message, context) =>
    decode(response, await bytesOf(await members.call(callOf(message, context), isRead)));
}

/** A call that gives its place back when its caller gives up. */
async function patient(
  open: (message: unknown, context: CallContext) => ClientStream,
  { response }: AnyRpc,
  message: unknown,
  context: CallContext,
): Promise<unknown> {
  if (context.signal?.aborted === true) throw errCanceled;
  const stream = open(message, context);
  const close = (): void => stream.close();
  context.signal?.addEventListener("abort", close, { once: true });
  try {
    const bytes = await stream.next();
    if (bytes === undefined) throw errCanceled;
    return decode(response, bytes);
  } finally {
    context.signal?.removeEventListener("abort", close);
    close();
  }
}

function streamed(
  stream: ClientStream,
  { response }: AnyRpc,
  context: CallContext,
): AsyncIterable<unknown> & Source<unknown> {
  const close = (): void => stream.close();
  context.signal?.addEventListener("abort", close, { once: true });
  const next = async (): Promise<unknown> => {
    const bytes = await stream.next();
    return bytes === undefined ? undefined : decode(response, bytes);
  };
  return iterableSource(next, close);
}

class RpcWatchStream {
  readonly #stream: ClientStream;

  constructor(members: Members, { token, requireLeader }: CallContext) {
    const call = { service: "watch", method: "watch", request: NOTHING, token, requireLeader };
    this.#stream = new ClientStream(members.open(call, true));
  }

  request(request: WatchRequest): void {
    this.#stream.request(encode(RPCS.watch.watch.request, request));
  }

  async next(): Promise<WatchResponse | undefined> {
    const bytes = await this.#stream.next();
    return bytes === undefined ? undefined : decode(RPCS.watch.watch.response, bytes);
  }

  close(): void {
    this.#stream.close();
  }
}
