/** The methods of etcd's Watch service. */
import * as schemas from "../schema/watch-schema.ts";
import type * as messages from "../watch.ts";
import { bidi } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface WatchRpcs {
  readonly watch: Rpc<messages.WatchRequest, messages.WatchResponse, "bidi">;
}

const SERVICE = "etcdserverpb.Watch";

export const WATCH_RPCS: WatchRpcs = {
  watch: bidi(SERVICE, "Watch", ["/v3/watch"], schemas.watchRequestSchema, schemas.watchResponseSchema, {
    isRead: true,
  }),
};
