/** Field tables of the messages in watch.ts, with the numbers and names of etcd's .proto files. */
import { watchCancelRequest, watchCreateRequest, watchResponse } from "../watch.ts";
import type {
  WatchCancelRequest,
  WatchCreateRequest,
  WatchFilter,
  WatchProgressRequest,
  WatchRequest,
  WatchResponse,
} from "../watch.ts";
import { header } from "./header-schema.ts";
import { eventSchema } from "./kv-schema.ts";
import {
  always,
  bool,
  bytes,
  clampedInt,
  int,
  message,
  openEnum,
  repeated,
  string,
  unionMessage,
} from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const watchCreateRequestSchema: Schema<WatchCreateRequest> = message(
  "etcdserverpb.WatchCreateRequest",
  watchCreateRequest,
  {
    key: bytes(1, "key"),
    rangeEnd: bytes(2, "range_end"),
    startRevision: clampedInt(3, "start_revision"),
    progressNotify: bool(4, "progress_notify"),
    filters: repeated(openEnum<WatchFilter>(5, "filters", ["NOPUT", "NODELETE"])),
    prevKv: bool(6, "prev_kv"),
    watchId: int(7, "watch_id"),
    fragment: bool(8, "fragment"),
  },
);

export const watchCancelRequestSchema: Schema<WatchCancelRequest> = message(
  "etcdserverpb.WatchCancelRequest",
  watchCancelRequest,
  { watchId: int(1, "watch_id") },
);

export const watchProgressRequestSchema: Schema<WatchProgressRequest> = message(
  "etcdserverpb.WatchProgressRequest",
  () => ({}),
  {},
);

export const watchRequestSchema: Schema<WatchRequest> = unionMessage<WatchRequest>(
  "etcdserverpb.WatchRequest",
  "request_union",
  { type: "none" },
  {
    create: always(1, "create_request", () => watchCreateRequestSchema),
    cancel: always(2, "cancel_request", () => watchCancelRequestSchema),
    progress: always(3, "progress_request", () => watchProgressRequestSchema),
  },
);

export const watchResponseSchema: Schema<WatchResponse> = message("etcdserverpb.WatchResponse", watchResponse, {
  header,
  watchId: int(2, "watch_id"),
  created: bool(3, "created"),
  canceled: bool(4, "canceled"),
  compactRevision: int(5, "compact_revision"),
  cancelReason: string(6, "cancel_reason"),
  fragment: bool(7, "fragment"),
  events: repeated(always(11, "events", () => eventSchema)),
});
