/** Messages of etcd's Watch service: one stream carries many watches, distinguished by `watchId`. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";
import type { Event } from "./kv.ts";

export type WatchFilter = "NOPUT" | "NODELETE" | number;

export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly filters: readonly WatchFilter[];
  readonly prevKv: boolean;
  readonly watchId: number;
  readonly fragment: boolean;
}

export function watchCreateRequest(set?: Partial<WatchCreateRequest>): WatchCreateRequest {
  return {
    key: EMPTY_BYTES,
    rangeEnd: EMPTY_BYTES,
    startRevision: 0,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0,
    fragment: false,
    ...set,
  };
}

export interface WatchCancelRequest {
  readonly watchId: number;
}

export function watchCancelRequest(set?: Partial<WatchCancelRequest>): WatchCancelRequest {
  return { watchId: 0, ...set };
}

export interface WatchProgressRequest {}

/** etcd ignores a request whose union is empty (`none`). */
export type WatchRequest =
  | { readonly type: "none" }
  | { readonly type: "create"; readonly create: WatchCreateRequest }
  | { readonly type: "cancel"; readonly cancel: WatchCancelRequest }
  | { readonly type: "progress"; readonly progress: WatchProgressRequest };

export interface WatchResponse {
  readonly header: ResponseHeader;
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly Event[];
}

export function watchResponse(set?: Partial<WatchResponse>): WatchResponse {
  return {
    header: responseHeader(),
    watchId: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: false,
    events: [],
    ...set,
  };
}
