/**
 * Methods with one request and many answers. Over HTTP the request is the body and each answer a line; over a WebSocket
 * the request is the first frame, and what comes after it counts for nothing.
 *
 * A reader that left without a word is noticed when something is written to it; so an answer that has been silent for
 * long gets an empty line, which readers of JSON skip.
 */
import type { CallContext } from "../../member/api/services.ts";
import { toSource } from "../../member/api/source.ts";
import type { Source } from "../../member/api/source.ts";
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc.ts";
import type { Schema } from "../../protocol/codec/schema.ts";
import { readBody } from "../http/body.ts";
import { unfinishedBytes } from "../http/caller-limits.ts";
import { errorResponse, streamErrorResponse } from "../http/errors.ts";
import { ndjsonResponse } from "../http/ndjson-response.ts";
import type { WatchLimits } from "./watch-http.ts";
import { overWebSocket, type BidiStream, type WebSocketLike, type WebSocketLimits } from "./websocket.ts";

type Open<Request, Response> = (message: Request, context: CallContext) => AsyncIterable<Response> | Source<Response>;

export async function streamOverHttp<Request_, Response_>(
  rpc: Rpc<Request_, Response_, RpcKind>,
  open: Open<Request_, Response_>,
  request: Request,
  context: CallContext,
  limits: WatchLimits,
): Promise<Response> {
  let message: Request_;
  try {
    message = decodeJson(
      rpc.request,
      await readBody(request, limits.maxMessageBytes, unfinishedBytes(limits.callers, context)),
    );
  } catch (error) {
    // Before the stream there is none, and so no `error` around the error.
    return errorResponse(error);
  }
  const abort = new AbortController();
  let answers: Source<Response_>;
  try {
    answers = toSource(open(message, { ...context, signal: abort.signal }));
  } catch (error) {
    return streamErrorResponse(error);
  }
  const lines = {
    async next() {
      const response = await answers.next();
      return response === undefined ? undefined : lineOf(rpc.response, response);
    },
    close() {
      abort.abort();
      answers.close();
    },
  };
  return ndjsonResponse(request.signal, lines, limits.probeAfterMs);
}

export function streamOverWebSocket<Request, Response>(
  rpc: Rpc<Request, Response, RpcKind>,
  open: Open<Request, Response>,
  socket: WebSocketLike,
  context: CallContext,
  limits: WebSocketLimits,
): void {
  const line = (response: Response): string => lineOf(rpc.response, response);
  overWebSocket(() => new SingleRequest(open, context), rpc.request, line, socket, limits);
}

function lineOf<Response>(schema: Schema<Response>, response: Response): string {
  return `{"result":${encodeJson(schema, response)}}\n`;
}

export class SingleRequest<Request, Response> implements BidiStream<Request, Response> {
  readonly #open: Open<Request, Response>;
  readonly #context: CallContext;
  readonly #abort: AbortController = new AbortController();
  #responses: Source<Response> | undefined;
  #wake: (() => void) | undefined;

  constructor(open: Open<Request, Response>, context: CallContext) {
    this.#open = open;
    this.#context = context;
  }

  request(request: Request): void {
    if (this.#abort.signal.aborted) return;
    this.#responses ??= toSource(this.#open(request, { ...this.#context, signal: this.#abort.signal }));
    this.#wake?.();
  }

  async next(): Promise<Response | undefined> {
    while (this.#responses === undefined && !this.#abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#responses?.next();
  }

  close(): void {
    this.#abort.abort();
    this.#responses?.close();
    this.#wake?.();
  }
}
