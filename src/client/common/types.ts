/**
 * What an application hands to the client and gets back from it.
 *
 * Keys and values go in as text (sent as UTF-8) or bytes and always come out as bytes, because etcd's keys are bytes and
 * a client that guessed an encoding would corrupt some of them; `toText` reads them. Ids are 64 bits wide and travel as
 * decimal strings. Revisions, versions and counts are numbers, exact up to 2^53.
 */

export type Bytes = string | Uint8Array;

/** A 64-bit id (lease, member, cluster) as callers may write it; results carry decimal strings. */
export type Id = string | bigint;

export interface Header {
  readonly clusterId: string;
  readonly memberId: string;
  /** The store's revision when the request was answered. */
  readonly revision: number;
  readonly raftTerm: number;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** How many times the key was put since it was created; 1 for a new key. */
  readonly version: number;
  /** "0" when the key hangs on no lease. */
  readonly lease: string;
}

/** Which keys beside the one named; at most one of the three. */
export interface KeyRange {
  /** All keys that start with the key; with an empty key, all keys. */
  readonly prefix?: boolean | undefined;
  /** All keys from the key up to this one, which is left out. */
  readonly rangeEnd?: Bytes | undefined;
  /** The key and all that sort after it. */
  readonly fromKey?: boolean | undefined;
}

export type SortBy = "key" | "version" | "createRevision" | "modRevision" | "value";

export interface RangeOptions extends KeyRange {
  /** At most so many keys; `more` tells whether there were others. Default: all. */
  readonly limit?: number | undefined;
  /** Read as of this revision. Default: the newest. */
  readonly revision?: number | undefined;
  /** Default: ascending by key. */
  readonly sort?: { readonly by: SortBy; readonly order?: "ascend" | "descend" | undefined } | undefined;
  /** Answer from the asked member's own state, which may be behind. Default: linearizable. */
  readonly serializable?: boolean | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly countOnly?: boolean | undefined;
  readonly minModRevision?: number | undefined;
  readonly maxModRevision?: number | undefined;
  readonly minCreateRevision?: number | undefined;
  readonly maxCreateRevision?: number | undefined;
}

export interface RangeResult {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  /** How many keys the range holds, whatever the limit. */
  readonly count: number;
  readonly more: boolean;
}

export interface PutOptions {
  /** The key is deleted when this lease ends. */
  readonly lease?: Id | undefined;
  readonly prevKv?: boolean | undefined;
  /** Keep the value that the key has (and give an empty one); changes the lease alone. */
  readonly ignoreValue?: boolean | undefined;
  /** Keep the lease that the key has. */
  readonly ignoreLease?: boolean | undefined;
}

export interface PutResult {
  readonly header: Header;
  /** Present when it was asked for and the key existed. */
  readonly prevKv: KeyValue | undefined;
}

export interface DeleteRangeOptions extends KeyRange {
  readonly prevKv?: boolean | undefined;
}

export interface DeleteRangeResult {
  readonly header: Header;
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export interface CompactOptions {
  /** Answer only after the old revisions are gone from the disk. */
  readonly physical?: boolean | undefined;
}

export interface CompactResult {
  readonly header: Header;
}

export type OpResult =
  | { readonly type: "range"; readonly range: RangeResult }
  | { readonly type: "put"; readonly put: PutResult }
  | { readonly type: "deleteRange"; readonly deleteRange: DeleteRangeResult }
  | { readonly type: "txn"; readonly txn: TxnResult };

export interface TxnResult {
  readonly header: Header;
  /** Whether the comparisons held, so whether `then` ran or `else`. */
  readonly succeeded: boolean;
  /** One for each operation that ran, in order. */
  readonly responses: readonly OpResult[];
}

export interface WatchOptions extends KeyRange {
  /** The first revision to tell of, so also of the past. Default: what comes from now on. */
  readonly startRevision?: number | undefined;
  readonly prevKv?: boolean | undefined;
  /** What to leave out. */
  readonly filters?: readonly ("NOPUT" | "NODELETE")[] | undefined;
  /** Also yield responses without events that tell how far the watch has come. */
  readonly progressNotify?: boolean | undefined;
  /** Let the server cut large responses; the watch puts them together again before it yields them. */
  readonly fragment?: boolean | undefined;
  /** Also yield a response without events when the server has taken the watch. */
  readonly createdNotify?: boolean | undefined;
  /** Ends the watch, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each broken stream, before the watch tries again. */
  readonly onDisconnect?: ((error: Error) => void) | undefined;
  /** Told of each stream on which the server has taken the watch, the first one included. */
  readonly onConnect?: (() => void) | undefined;
}

export interface WatchEvent {
  readonly type: "PUT" | "DELETE";
  /** Of a deleted key only `key` and `modRevision` are set. */
  readonly kv: KeyValue;
  /** Present when it was asked for, existed and is not compacted. */
  readonly prevKv: KeyValue | undefined;
}

export interface WatchResponse {
  readonly header: Header;
  /** All events of the revisions told of, in order; a revision is never cut in two. */
  readonly events: readonly WatchEvent[];
  readonly created: boolean;
  /** Nothing happened up to `header.revision` that was not told. */
  readonly progress: boolean;
}
