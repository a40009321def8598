/**
 * Keys of an endpoint, for a client that has loaded nothing else yet. A get and a put are written and read here without the
 * tables of messages, which would be a fifth of what a page loads at its start: a message says by its zero values which
 * types its fields have. Once the shared socket is open, whose code brings the tables, and for what is not a single
 * request, calls go the way of all others.
 */
import type { CallContext, KvService } from "../../member/api/services.ts";
import { deleteRangeResponse, keyValue, putResponse, rangeResponse } from "../../protocol/api/kv.ts";
import type { DeleteRangeRequest, PutRequest, RangeRequest } from "../../protocol/api/kv.ts";
import type { ClientServices } from "../common/client-services.ts";
import { parseJson } from "./http-errors.ts";
import type { Transport } from "./http-transport.ts";
import { checked, fromBase64, idOf, intOf, isBag, readMessage, refuse, toBase64 } from "./json-values.ts";
import type { Bag } from "./json-values.ts";

/** A call by the tables. */
type ByTables<Request, Response> = (kv: KvService, request: Request, context: CallContext) => Promise<Response>;

/** `byTables` loads the same methods with their tables. */
export function httpKv({ caller, socket }: Transport, byTables: () => Promise<KvService>): ClientServices["kv"] {
  const method =
    <Request extends object, Response extends object>(
      path: string,
      zero: () => Response,
      callByTables: ByTables<Request, Response>,
    ) =>
    async (request: Request, context: CallContext): Promise<Response> => {
      if (socket?.forCall(false) !== undefined) {
        // Code that cannot be loaded does not fail a call that HTTP can make.
        const kv = await byTables().catch(() => undefined);
        if (kv !== undefined) return callByTables(kv, request, context);
      }
      const isRead = path === "range";
      const body = kvRequestText(request);
      const text = await caller.call({ method: "POST", path: `/v3/kv/${path}`, body, context, isRead });
      return kvResponseOf(zero(), caller.endpoint, text);
    };
  return {
    range: method("range", rangeResponse, (kv, request: RangeRequest, context) => kv.range(request, context)),
    put: method("put", putResponse, (kv, request: PutRequest, context) => kv.put(request, context)),
    deleteRange: method("deleterange", deleteRangeResponse, (kv, request: DeleteRangeRequest, context) =>
      kv.deleteRange(request, context),
    ),
    txn: async (request, context) => (await byTables()).txn(request, context),
    compact: async (request, context) => (await byTables()).compact(request, context),
  };
}

/** A request without unions and without messages in it. */
export function kvRequestText(request: object): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(request).map(([property, value]) => [protoName(property), jsonOf(value)])),
  );
}

function jsonOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : toBase64(value);
  // The zeros of sort_order and sort_target are names.
  if (!value || value === "NONE" || value === "KEY") return undefined;
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value;
}

/** `zero` is the message without a field that is set. The lists and what may be missing in it are key-values. */
export function kvResponseOf<Message extends object>(zero: Message, endpoint: string, text: string): Message {
  return readMessage(endpoint, text, () => messageOf(zero, parseJson(text)));
}

function messageOf<Message extends object>(zero: Message, json: unknown): Message {
  const given: Bag = isBag(json) ? json : refuse();
  const fields = Object.entries(zero).map(([property, value]) => {
    const set = given[protoName(property)] ?? given[property];
    return [property, set === undefined || set === null ? value : valueOf(value, set)];
  });
  return Object.fromEntries(fields) as Message;
}

function valueOf(zero: unknown, json: unknown): unknown {
  if (typeof zero === "number") return intOf(json);
  if (typeof zero === "bigint") return idOf(json);
  if (typeof zero === "boolean") return checked("boolean", json);
  if (zero instanceof Uint8Array) return fromBase64(json);
  if (!Array.isArray(zero)) return messageOf(zero ?? keyValue(), json);
  return Array.isArray(json) ? json.map((item) => messageOf(keyValue(), item)) : refuse();
}

/** `rangeEnd` is `range_end`. */
function protoName(property: string): string {
  return property.replaceAll(/[A-Z]/g, "_$&").toLowerCase();
}
