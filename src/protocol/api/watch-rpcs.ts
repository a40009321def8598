/** The methods of etcd's Watch service. */
import { watchRequestSchema, watchResponseSchema } from "./watch-schema.ts";
import type { WatchRequest, WatchResponse } from "./watch.ts";
import { bidi } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface WatchRpcs {
  readonly watch: Rpc<WatchRequest, WatchResponse, "bidi">;
}

const SERVICE = "etcdserverpb.Watch";

export const WATCH_RPCS: WatchRpcs = {
  watch: bidi(SERVICE, "Watch", ["/v3/watch"], watchRequestSchema, watchResponseSchema, { isRead: true }),
};
