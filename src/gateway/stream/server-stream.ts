/**
 * Methods with one request and many responses. Over HTTP the request is the body, and each response a line. Over a
 * WebSocket the request is the first frame; later frames are ignored.
 *
 * Only a write reveals a reader that disconnected silently. So a silent response writes an empty line from time to
 * time, which JSON readers skip.
 */
import type { CallContext } from "../../member/api/services.ts";
import { toSource } from "../../member/api/source.ts";
import type { Source } from "../../member/api/source.ts";
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
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
    // Before the stream begins, the error is not nested under `error`.
    return errorResponse(error);
  }
  const abort = new AbortController();
  let responses: Source<Response_>;
  try {
    responses = toSource(open(message, { ...context, signal: abort.signal }));
  } catch (error) {
    return streamErrorResponse(error);
  }
  const lines = {
    async next() {
      const response = await responses.next();
      return response === undefined ? undefined : lineOf(rpc.response, response);
    },
    close() {
      abort.abort();
      responses.close();
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
