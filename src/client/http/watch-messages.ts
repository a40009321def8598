/** The messages of a watch that does not share the client's WebSocket. */
import { watchRequestSchema, watchResponseSchema } from "../../protocol/api/schema/watch-schema.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import { lineOf, requestText } from "./json-messages.ts";

export function watchRequestText(request: WatchRequest): string {
  return requestText(watchRequestSchema, request);
}

/** Decodes a line of a streamed response: a response under `result`, or the stream's final error under `error`. */
export function watchResponseOf(endpoint: string, line: string): WatchResponse {
  return lineOf(watchResponseSchema, endpoint, line);
}
