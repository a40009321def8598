/** The member's side of service-rpc.ts. Whoever can call this is the operator's own code: no request leads here. */
import { RpcTarget } from "cloudflare:workers";
import { assert } from "../../src/base/assert.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { asEtcdError } from "../../src/gateway/http/errors.ts";
import type { CallContext, ProbeKind, Services } from "../../src/member/api/services.ts";
import { type Source, toSource } from "../../src/member/api/source.ts";
import { servedRpc, type ServedRpc } from "../../src/member/api/table-services.ts";
import { decode, encode } from "../../src/protocol/codec/proto-codec.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import type { WatchRequest } from "../../src/protocol/api/watch.ts";
import type { CallFailure, CallResult, OpenResult, RpcStream, ServiceCall } from "../common/service-rpc.ts";

/** Far below the platform's bound of 32 MiB. */
const SENT_BYTES_MAX = 8 * 1024 * 1024;

export async function serveCall(services: Services, call: ServiceCall): Promise<CallResult> {
  try {
    const own = ownCalls(services)[`${call.service}.${call.method}`];
    if (own !== undefined) return responseOf(utf8Encode(JSON.stringify((await own(call.request)) ?? null)));
    const { rpc, method } = found(services, call);
    const response = await method(decode(rpc.request, call.request), contextOf(call));
    return responseOf(encode(rpc.response, response));
  } catch (error) {
    return failureOf(error);
  }
}

export function serveStream(services: Services, call: ServiceCall): OpenResult {
  try {
    return { type: "opened", stream: new ServiceStream(services, call) };
  } catch (error) {
    return failureOf(error);
  }
}

class ServiceStream extends RpcTarget implements RpcStream {
  readonly #rpc: ServedRpc["rpc"];
  readonly #source: Source<unknown>;
  readonly #send: (message: Uint8Array) => void;
  readonly #over: AbortController = new AbortController();

  constructor(services: Services, call: ServiceCall) {
    super();
    const { rpc, method } = found(services, call);
    this.#rpc = rpc;
    const context = { ...contextOf(call), signal: this.#over.signal };
    if (call.service === "watch") {
      const stream = services.watch.watch(context);
      this.#source = stream;
      this.#send = (message) => stream.request(decode(rpc.request, message) as WatchRequest);
    } else {
      const given = method(decode(rpc.request, call.request), context);
      this.#source = rpc.kind === "unary" ? once(given as Promise<unknown>) : toSource(given as AsyncIterable<unknown>);
      this.#send = () => {};
    }
  }

  async request(message: Uint8Array): Promise<void> {
    this.#send(message);
  }

  async next(): Promise<CallResult | undefined> {
    try {
      const response = await this.#source.next();
      return response === undefined ? undefined : responseOf(encode(this.#rpc.response, response));
    } catch (error) {
      return failureOf(error);
    }
  }

  async close(): Promise<void> {
    this.#over.abort();
    this.#source.close();
  }

  /** The platform's word that whoever held it is gone. */
  [Symbol.dispose](): void {
    void this.close();
  }
}

/** What is no service of etcd's, as JSON. */
function ownCalls({ inspect, health }: Services): Readonly<Record<string, (request: Uint8Array) => Promise<unknown>>> {
  return {
    "inspect.view": () => inspect.view(),
    "health.check": (request) => health.check(parsed(request) as Parameters<Services["health"]["check"]>[0]),
    "health.probe": (request) => {
      const { kind, names } = parsed(request) as { readonly kind: ProbeKind; readonly names?: readonly string[] };
      return health.probe(kind, names);
    },
  };
}

function parsed(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function found(services: Services, { service, method }: ServiceCall): ServedRpc {
  const served = servedRpc(services, service, method);
  if (served === undefined) throw new EtcdError(GrpcCode.Unimplemented, `there is no method ${service}.${method}`);
  return served;
}

function contextOf({ token, requireLeader }: ServiceCall): CallContext {
  return { token, requireLeader, isOperator: true };
}

/** Of a call that waits: one response, or its failure. */
function once(answer: Promise<unknown>): Source<unknown> {
  let isTaken = false;
  // Told by next().
  answer.catch(() => {});
  return {
    async next() {
      if (isTaken) return undefined;
      isTaken = true;
      return answer;
    },
    close() {},
  };
}

function responseOf(bytes: Uint8Array): CallResult {
  if (bytes.length <= SENT_BYTES_MAX) return { type: "response", response: bytes };
  const { body } = new Response(bytes);
  assert(body !== null, "bytes have a stream");
  return { type: "response", response: body };
}

export function failureOf(thrown: unknown): CallFailure {
  const { code, message } = asEtcdError(thrown);
  return { type: "error", code, message };
}
