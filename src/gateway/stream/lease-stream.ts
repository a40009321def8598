/**
 * The keep-alive stream of leases: one response per request, in order. As in etcd's gateway, it ends without an error
 * when the requests end, or at the first unreadable one.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { leaseKeepAliveRequestSchema, leaseKeepAliveResponseSchema } from "../../protocol/api/schema/lease-schema.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../protocol/api/lease.ts";
import type { CallContext, LeaseService } from "../../member/api/services.ts";
import { BodyMessages } from "../http/body-messages.ts";
import { unfinishedBytes } from "../http/caller-limits.ts";
import { ndjsonResponse } from "../http/ndjson-response.ts";
import type { WatchLimits } from "./watch-http.ts";
import { overWebSocket, type BidiStream, type WebSocketLike, type WebSocketLimits } from "./websocket.ts";

/** Keep-alives that a client may send without waiting for a response. */
const WAITING_MAX = 1_000;
/**
 * Maximum number of these that the member processes concurrently: one confirmation by the quorum then serves them all.
 */
const BATCH_MAX = 64;

export function keepAliveOverHttp(
  service: LeaseService,
  request: Request,
  context: CallContext,
  { maxMessageBytes, probeAfterMs, callers }: WatchLimits,
): Promise<Response> {
  const messages = new BodyMessages(request, maxMessageBytes, unfinishedBytes(callers, context));
  const lines = {
    async next() {
      const keepAlive = await nextKeepAlive(messages);
      return keepAlive === undefined ? undefined : keepAliveLine(await service.keepAlive(keepAlive, context));
    },
    close: () => messages.cancel(),
  };
  return ndjsonResponse(request.signal, lines, probeAfterMs);
}

export function keepAliveOverWebSocket(
  service: LeaseService,
  socket: WebSocketLike,
  context: CallContext,
  limits: WebSocketLimits,
): void {
  overWebSocket(
    () => new KeepAliveRequests(service, context),
    leaseKeepAliveRequestSchema,
    keepAliveLine,
    socket,
    limits,
  );
}

async function nextKeepAlive(messages: BodyMessages): Promise<LeaseKeepAliveRequest | undefined> {
  try {
    const message = await messages.next();
    return message === undefined ? undefined : decodeJson(leaseKeepAliveRequestSchema, message);
  } catch (error) {
    if (error instanceof EtcdError && error.code === GrpcCode.InvalidArgument) return undefined;
    throw error;
  }
}

function keepAliveLine(response: LeaseKeepAliveResponse): string {
  return `{"result":${encodeJson(leaseKeepAliveResponseSchema, response)}}\n`;
}

export class KeepAliveRequests implements BidiStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> {
  readonly #service: LeaseService;
  readonly #context: CallContext;
  #waiting: LeaseKeepAliveRequest[] = [];
  /** In the order of their requests. */
  #responses: Promise<LeaseKeepAliveResponse>[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(service: LeaseService, context: CallContext) {
    this.#service = service;
    this.#context = context;
  }

  /** True if no request waits for a response, or a response for its reader. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#responses.length === 0;
  }

  request(request: LeaseKeepAliveRequest): void {
    if (this.#waiting.length + this.#responses.length >= WAITING_MAX) {
      throw new EtcdError(GrpcCode.ResourceExhausted, "too many beats wait for an answer");
    }
    this.#waiting.push(request);
    this.#startWaiting();
    this.#wake?.();
  }

  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    while (this.#responses.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) return undefined;
    // It counts as in flight until it is returned.
    const response = await this.#responses[0];
    void this.#responses.shift();
    this.#startWaiting();
    return response;
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#wake?.();
  }

  #startWaiting(): void {
    while (this.#responses.length < BATCH_MAX) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      const response = this.#service.keepAlive(request, this.#context);
      // `next` reports the error in its turn, if the stream is still read.
      response.catch(() => undefined);
      this.#responses.push(response);
    }
  }
}
