/**
 * Arguments and results of the client's calls.
 *
 * Keys and values are passed as text (sent as UTF-8) or bytes, and always returned as bytes: etcd's keys are bytes, and
 * a client that guessed an encoding would corrupt some of them. `toText` decodes them. Ids are 64 bits wide and are
 * returned as decimal strings. Revisions, versions and counts are numbers, exact up to 2^53.
 */

/** A key or a value as an argument: text is sent as UTF-8. */
export type Bytes = string | Uint8Array;

/** A 64-bit id (lease, member, cluster) as an argument. Results have decimal strings. */
export type Id = string | bigint;

/** Header of every response: which member responded, and at which revision. */
export interface Header {
  readonly clusterId: string;
  readonly memberId: string;
  /** The store's revision when the member responded. */
  readonly revision: number;
  readonly raftTerm: number;
}

/** A key with its value, as bytes. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** How many times the key was put since it was created; 1 for a new key. */
  readonly version: number;
  /** Id of the attached lease; "0" for none. */
  readonly lease: string;
}

/** Selects keys in addition to the given one. At most one of the three may be set. */
export interface KeyRange {
  /** All keys that start with the key; all keys if it is empty. */
  readonly prefix?: boolean | undefined;
  /** All keys from the key up to this one, exclusive. */
  readonly rangeEnd?: Bytes | undefined;
  /** The key and all keys that sort after it. */
  readonly fromKey?: boolean | undefined;
}

/** What `kv.range` sorts by. */
export type SortBy = "key" | "version" | "createRevision" | "modRevision" | "value";

/** Options of `kv.range`. */
export interface RangeOptions extends KeyRange {
  /** Maximum number of keys; `more` is true if there were others. Default: all. */
  readonly limit?: number | undefined;
  /** Reads at this revision. Default: the newest. */
  readonly revision?: number | undefined;
  /** Default: ascending by key. */
  readonly sort?: { readonly by: SortBy; readonly order?: "ascend" | "descend" | undefined } | undefined;
  /** Reads the state of the member that serves the call, which may be behind. Default false: linearizable. */
  readonly serializable?: boolean | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly countOnly?: boolean | undefined;
  readonly minModRevision?: number | undefined;
  readonly maxModRevision?: number | undefined;
  readonly minCreateRevision?: number | undefined;
  readonly maxCreateRevision?: number | undefined;
}

/** Result of `kv.range`. */
export interface RangeResult {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  /** Number of keys in the range, regardless of the limit. */
  readonly count: number;
  readonly more: boolean;
}

/** Options of `kv.put`. */
export interface PutOptions {
  /** Attaches the key to this lease: the key is deleted when the lease ends. */
  readonly lease?: Id | undefined;
  readonly prevKv?: boolean | undefined;
  /** Keeps the key's value and changes only its lease. The given value must be empty. */
  readonly ignoreValue?: boolean | undefined;
  /** Keeps the key's lease. */
  readonly ignoreLease?: boolean | undefined;
}

/** Result of `kv.put`. */
export interface PutResult {
  readonly header: Header;
  /** The previous key and value, if requested and if the key existed. */
  readonly prevKv: KeyValue | undefined;
}

/** Options of `kv.deleteRange`. */
export interface DeleteRangeOptions extends KeyRange {
  readonly prevKv?: boolean | undefined;
}

/** Result of `kv.deleteRange`. */
export interface DeleteRangeResult {
  readonly header: Header;
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

/** Options of `kv.compact`. */
export interface CompactOptions {
  /** Responds only after the old revisions are removed from the disk. Default false. */
  readonly physical?: boolean | undefined;
}

/** Result of `kv.compact`. */
export interface CompactResult {
  readonly header: Header;
}

/** Result of one operation of a txn. */
export type OpResult =
  | { readonly type: "range"; readonly range: RangeResult }
  | { readonly type: "put"; readonly put: PutResult }
  | { readonly type: "deleteRange"; readonly deleteRange: DeleteRangeResult }
  | { readonly type: "txn"; readonly txn: TxnResult };

/** Result of a txn. */
export interface TxnResult {
  readonly header: Header;
  /** True if the comparisons held and `then` was executed; false if `else` was. */
  readonly succeeded: boolean;
  /** One result per executed operation, in order. */
  readonly responses: readonly OpResult[];
}

/** Options of `watch`. */
export interface WatchOptions extends KeyRange {
  /** First revision to return events of; it may be in the past. Default: the next one. */
  readonly startRevision?: number | undefined;
  readonly prevKv?: boolean | undefined;
  /** Kinds of events that are not returned. */
  readonly filters?: readonly ("NOPUT" | "NODELETE")[] | undefined;
  /** Also yields responses without events that report the watch's progress. */
  readonly progressNotify?: boolean | undefined;
  /** Lets the server split large responses. The watch assembles them before it yields them. */
  readonly fragment?: boolean | undefined;
  /** Also yields a response without events when the server has registered the watch. */
  readonly createdNotify?: boolean | undefined;
  /** Ends the watch without an error when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each broken stream, before the watch reconnects. */
  readonly onDisconnect?: ((error: Error) => void) | undefined;
  /** Called for each stream on which the server has registered the watch, the first one included. */
  readonly onConnect?: (() => void) | undefined;
}

/** One change of one key. */
export interface WatchEvent {
  readonly type: "PUT" | "DELETE";
  /** For a deleted key only `key` and `modRevision` are set. */
  readonly kv: KeyValue;
  /** The previous key and value, if requested, if the key existed, and if that revision is not compacted. */
  readonly prevKv: KeyValue | undefined;
}

/** One response of a watch, with all events of one revision or of several. */
export interface WatchResponse {
  readonly header: Header;
  /** All events of each revision in it, in order. A revision is never split between responses. */
  readonly events: readonly WatchEvent[];
  readonly created: boolean;
  /** True if there are no events up to `header.revision` that were not yet returned. */
  readonly progress: boolean;
}
