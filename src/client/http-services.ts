/**
 * A member behind HTTP, as `Services`: etcd's JSON API, so a real etcd will do as well.
 *
 * Beyond etcd's API stands only `inspect`, which reads `GET {endpoint}/quorate/status`; the client does without where it
 * is missing. Reads are repeated while the server is unavailable, writes never, unless they surely did not leave.
 */
import type { CallContext, MemberView, Services } from "../member/services.ts";
import { memberListRequestSchema, memberListResponseSchema } from "../protocol/cluster-schema.ts";
import { EtcdError } from "../protocol/errors.ts";
import { encodeJson } from "../protocol/json-encode.ts";
import {
  compactionRequestSchema,
  compactionResponseSchema,
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  txnRequestSchema,
  txnResponseSchema,
} from "../protocol/kv-schema.ts";
import { statusRequestSchema, statusResponseSchema } from "../protocol/maintenance-schema.ts";
import type { Schema } from "../protocol/schema.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import { foreignAnswerError, parseJson } from "./http-errors.ts";
import { HttpWatchStream } from "./http-watch.ts";
import { answerOf } from "./json-messages.ts";
import { WebSocketWatchStream } from "./websocket-watch.ts";
import type { WebSocketConstructor } from "./websocket-watch.ts";

export interface HttpServicesOptions extends HttpOptions {
  /** With it, watches go over WebSocket, both ways at once; without, over an HTTP answer that does not end. */
  readonly WebSocket?: WebSocketConstructor;
}

type Method<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function httpServices(options: HttpServicesOptions): Services {
  const caller = new HttpCaller(options);
  const { endpoint, timeoutMs } = caller;

  function method<Request, Response>(
    path: string,
    isRead: boolean,
    request: Schema<Request>,
    response: Schema<Response>,
  ): Method<Request, Response> {
    return async (message, context) => {
      const body = encodeJson(request, message);
      return answerOf(response, endpoint, await caller.call({ method: "POST", path, body, context, isRead }));
    };
  }

  const status = method("/v3/maintenance/status", true, statusRequestSchema, statusResponseSchema);
  const { WebSocket } = options;
  return {
    kv: {
      range: method("/v3/kv/range", true, rangeRequestSchema, rangeResponseSchema),
      put: method("/v3/kv/put", false, putRequestSchema, putResponseSchema),
      deleteRange: method("/v3/kv/deleterange", false, deleteRangeRequestSchema, deleteRangeResponseSchema),
      txn: method("/v3/kv/txn", false, txnRequestSchema, txnResponseSchema),
      compact: method("/v3/kv/compaction", false, compactionRequestSchema, compactionResponseSchema),
    },
    watch: {
      watch: (context) =>
        WebSocket === undefined
          ? new HttpWatchStream(caller, context)
          : new WebSocketWatchStream({ endpoint, timeoutMs, WebSocket, token: caller.tokenOf(context) }),
    },
    cluster: { memberList: method("/v3/cluster/member/list", true, memberListRequestSchema, memberListResponseSchema) },
    maintenance: { status: (context) => status({}, context) },
    health: { check: (what) => checkHealth(caller, what), metrics: () => [] },
    inspect: { view: () => viewOf(caller) },
  };
}

async function viewOf(caller: HttpCaller): Promise<MemberView> {
  const text = await caller.call({ method: "GET", path: "/quorate/status", context: NO_CONTEXT, isRead: true });
  const view = parseJson(text) as Partial<MemberView> | undefined;
  if (typeof view?.id !== "string" || !Array.isArray(view.members)) throw foreignAnswerError(caller.endpoint, text);
  return view as MemberView;
}

/** A sick server answers 503 with its reason, which is an answer here and no error. */
async function checkHealth(
  caller: HttpCaller,
  { serializable, exclude }: { readonly serializable: boolean; readonly exclude: readonly string[] },
): Promise<string | undefined> {
  const query = new URLSearchParams(exclude.map((alarm) => ["exclude", alarm]));
  if (serializable) query.set("serializable", "true");
  try {
    await caller.call({ method: "GET", path: `/health?${query}`, context: NO_CONTEXT, isRead: false });
    return undefined;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    const [, reason] = /"reason":"([^"]*)"/.exec(error.message) ?? [];
    if (reason === undefined) throw error;
    return reason;
  }
}
