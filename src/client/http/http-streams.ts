/** Methods with one request and many responses, over plain HTTP. */
import type { CallContext } from "../../member/api/services.ts";
import type { Source } from "../../member/api/source.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { iterableSource } from "../common/iterable-source.ts";
import type { HttpCaller } from "./http-call.ts";
import { HttpNdjson } from "./http-ndjson.ts";
import { lineOf, requestText } from "./json-messages.ts";

/** The request is sent at once. The response is read as fast as the caller reads. */
export function streamedOverHttp(
  caller: HttpCaller,
  rpc: Rpc<unknown, unknown, RpcKind>,
  message: unknown,
  context: CallContext,
): AsyncIterable<unknown> & Source<unknown> {
  const { request, response, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  const lines = new HttpNdjson(caller, { path, body: requestText(request, message), context, what: path, isPatient });
  const close = (): void => lines.close();
  context.signal?.addEventListener("abort", close, { once: true });
  const next = async (): Promise<unknown> => {
    const line = await lines.next();
    return line === undefined ? undefined : lineOf(response, caller.endpoint, line);
  };
  return iterableSource(next, close);
}
