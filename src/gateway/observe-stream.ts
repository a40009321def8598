/** The stream of an election's leaders. Its one request comes first; what a client sends after it counts for nothing. */
import { leaderRequestSchema, leaderResponseSchema } from "../protocol/election-schema.ts";
import type { LeaderRequest, LeaderResponse } from "../protocol/election.ts";
import { decodeJson } from "../protocol/json-decode.ts";
import { encodeJson } from "../protocol/json-encode.ts";
import type { CallContext, ElectionService, LeaderStream } from "../member/services.ts";
import { readBody } from "./body.ts";
import { streamErrorResponse } from "./errors.ts";
import { lineResponse } from "./line-response.ts";
import { overWebSocket, type DuplexStream, type WebSocketLike, type WebSocketLimits } from "./websocket.ts";

export async function observeOverHttp(
  service: ElectionService,
  request: Request,
  context: CallContext,
  maxBodyBytes: number,
): Promise<Response> {
  let stream: LeaderStream;
  try {
    stream = service.observe(decodeJson(leaderRequestSchema, await readBody(request, maxBodyBytes)), context);
  } catch (error) {
    return streamErrorResponse(error);
  }
  return lineResponse(request.signal, {
    async next() {
      const response = await stream.next();
      return response === undefined ? undefined : leaderLine(response);
    },
    close: () => stream.close(),
  });
}

export function observeOverWebSocket(
  service: ElectionService,
  socket: WebSocketLike,
  context: CallContext,
  limits: WebSocketLimits,
): void {
  overWebSocket(() => new Observation(service, context), leaderRequestSchema, leaderLine, socket, limits);
}

function leaderLine(response: LeaderResponse): string {
  return `{"result":${encodeJson(leaderResponseSchema, response)}}\n`;
}

class Observation implements DuplexStream<LeaderRequest, LeaderResponse> {
  readonly #service: ElectionService;
  readonly #context: CallContext;
  #stream: LeaderStream | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(service: ElectionService, context: CallContext) {
    this.#service = service;
    this.#context = context;
  }

  request(request: LeaderRequest): void {
    if (this.#closed) return;
    this.#stream ??= this.#service.observe(request, this.#context);
    this.#wake?.();
  }

  async next(): Promise<LeaderResponse | undefined> {
    while (this.#stream === undefined && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#stream?.next();
  }

  close(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#wake?.();
  }
}
