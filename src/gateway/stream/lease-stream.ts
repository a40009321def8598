/**
 * The stream of a lease's beats: one answer for one request, in order. It ends when the requests end, or at the first
 * that cannot be read, without a word, as etcd's gateway ends it.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { leaseKeepAliveRequestSchema, leaseKeepAliveResponseSchema } from "../../protocol/api/lease-schema.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../protocol/api/lease.ts";
import type { CallContext, LeaseService } from "../../member/api/services.ts";
import { BodyMessages } from "../http/body-messages.ts";
import { unfinishedBytes } from "../http/caller-limits.ts";
import { ndjsonResponse } from "../http/ndjson-response.ts";
import type { WatchLimits } from "./watch-http.ts";
import { overWebSocket, type BidiStream, type WebSocketLike, type WebSocketLimits } from "./websocket.ts";

/** Beats that a client sends without waiting for an answer. */
const WAITING_MAX = 1_000;
/** Of those, what the member works on at once: one round among the members then does for them all. */
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
      const beat = await nextKeepAlive(messages);
      return beat === undefined ? undefined : keepAliveLine(await service.keepAlive(beat, context));
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

  request(request: LeaseKeepAliveRequest): void {
    if (this.#waiting.length + this.#responses.length >= WAITING_MAX) {
      throw new EtcdError(GrpcCode.ResourceExhausted, "too many beats wait for an answer");
    }
    this.#waiting.push(request);
    this.#ask();
    this.#wake?.();
  }

  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    while (this.#responses.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) return undefined;
    // It counts for as long as it is awaited.
    const answer = await this.#responses[0];
    void this.#responses.shift();
    this.#ask();
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#wake?.();
  }

  #ask(): void {
    while (this.#responses.length < BATCH_MAX) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      const answer = this.#service.keepAlive(request, this.#context);
      // What it has to complain about is heard in its turn, if anybody still listens.
      answer.catch(() => undefined);
      this.#responses.push(answer);
    }
  }
}
