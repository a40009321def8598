/**
 * The meaning of the agreed log, computed by the simplest possible store: one whole state per revision, kept forever.
 * The state of every member, every response and every watch is compared with it.
 */
import { utf8Decode } from "../../src/base/utf8.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import type { Compare, RequestOp, TxnRequest } from "../../src/protocol/api/kv.ts";
import { decode } from "../../src/protocol/codec/proto-codec.ts";
import type { Entry } from "../../src/protocol/peer/raft-message.ts";
import { KEYS } from "./history.ts";
import type { Value } from "./history.ts";

export interface Pair {
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  /** 0n: none. */
  readonly lease: bigint;
}

export interface ModelEvent {
  readonly type: "PUT" | "DELETE";
  readonly key: string;
  readonly value: string;
}

export type ModelState = ReadonlyMap<string, Pair>;

const FIRST_REVISION = 1;
const NO_STATE: ModelState = new Map();

export class ReferenceModel {
  /** By revision. */
  readonly #states: ModelState[] = [NO_STATE, NO_STATE];
  readonly #events: (readonly ModelEvent[])[] = [[], []];
  /** By index: the revision and the compact revision after the entry. */
  readonly #revisions: number[] = [FIRST_REVISION];
  readonly #compacted: number[] = [-1];
  /** The revisions at which a value was written. Each value should be written once. */
  readonly #writes: Map<string, number> = new Map();
  readonly #leases: Set<bigint> = new Set();
  #draft: Map<string, Pair> | undefined;
  #draftEvents: ModelEvent[] = [];

  get lastIndex(): number {
    return this.#revisions.length - 1;
  }

  get revision(): number {
    return this.#states.length - 1;
  }

  revisionAfter(index: number): number {
    return this.#revisions[index] ?? 0;
  }

  compactRevisionAfter(index: number): number {
    return this.#compacted[index] ?? 0;
  }

  get compactRevision(): number {
    return this.#compacted.at(-1) ?? -1;
  }

  state(revision: number): ModelState {
    return this.#states[revision] ?? NO_STATE;
  }

  events(revision: number): readonly ModelEvent[] {
    return this.#events[revision] ?? [];
  }

  values(revision: number): readonly Value[] {
    const state = this.state(revision);
    return Array.from({ length: KEYS }, (_, key) => state.get(keyName(key))?.value);
  }

  get leases(): ReadonlySet<bigint> {
    return this.#leases;
  }

  /** Returns the revision at which the value was written; undefined if it never was. */
  revisionOf(value: string): number | undefined {
    return this.#writes.get(value);
  }

  /** Applies the next entry. Returns what is wrong with it. */
  apply(entry: Entry): string | undefined {
    let compact = this.compactRevision;
    let wrong: string | undefined;
    if (entry.type === "normal" && entry.data.length > 0) {
      const { request } = decode(internalRaftRequestSchema, entry.data);
      if (request.type === "compaction") {
        const { revision } = request.compaction;
        if (revision > compact && revision <= this.revision) compact = revision;
      } else if (request.type === "put") {
        this.#executeAll([{ type: "put", put: request.put }]);
      } else if (request.type === "deleteRange") {
        this.#executeAll([{ type: "deleteRange", deleteRange: request.deleteRange }]);
      } else if (request.type === "txn") {
        this.#executeAll(this.#branchOf(request.txn));
      } else if (request.type === "leaseGrant") {
        this.#leases.add(request.leaseGrant.id);
      } else if (request.type === "leaseRevoke") {
        this.#revoke(request.leaseRevoke.id);
      }
      wrong = this.#commit();
    }
    this.#revisions.push(this.revision);
    this.#compacted.push(compact);
    return wrong;
  }

  /** Operations of the branch that is executed. All comparisons are of the state before it. */
  #branchOf(txn: TxnRequest): readonly RequestOp[] {
    const branch = txn.compare.every((one) => this.#holds(one)) ? txn.success : txn.failure;
    return branch.flatMap((op) => (op.type === "txn" ? this.#branchOf(op.txn) : [op]));
  }

  #holds({ key, targetUnion }: Compare): boolean {
    const pair = this.state(this.revision).get(utf8Decode(key));
    switch (targetUnion.type) {
      case "value":
        return pair?.value === utf8Decode(targetUnion.value);
      case "createRevision":
        return (pair?.create ?? 0) === targetUnion.createRevision;
      case "modRevision":
        return (pair?.mod ?? 0) === targetUnion.modRevision;
      case "version":
      case "lease":
      case "none":
        throw new Error(`no client compares by ${targetUnion.type}`);
    }
  }

  /** All or none. */
  #executeAll(ops: readonly RequestOp[]): void {
    const before = this.state(this.revision);
    const fails = ops.some(({ type, ...rest }) => {
      if (type !== "put" || !("put" in rest)) return false;
      const { lease, ignoreLease, key } = rest.put;
      return ignoreLease ? !before.has(utf8Decode(key)) : lease !== 0n && !this.#leases.has(lease);
    });
    if (!fails) for (const op of ops) this.#execute(op);
  }

  #execute(op: RequestOp): void {
    if (op.type === "put") {
      const key = utf8Decode(op.put.key);
      const value = utf8Decode(op.put.value);
      this.#draft ??= new Map(this.state(this.revision));
      const former = this.#draft.get(key);
      const mod = this.revision + 1;
      const lease = op.put.ignoreLease ? (former?.lease ?? 0n) : op.put.lease;
      const [create, version] = [former?.create ?? mod, (former?.version ?? 0) + 1];
      this.#draft.set(key, { value, mod, create, version, lease });
      this.#draftEvents.push({ type: "PUT", key, value });
    } else if (op.type === "deleteRange") {
      this.#delete(utf8Decode(op.deleteRange.key));
    }
  }

  #delete(key: string): void {
    this.#draft ??= new Map(this.state(this.revision));
    if (this.#draft.delete(key)) this.#draftEvents.push({ type: "DELETE", key, value: "" });
  }

  #revoke(id: bigint): void {
    if (!this.#leases.delete(id)) return;
    const keys = [...this.state(this.revision)].filter(([, { lease }]) => lease === id).map(([key]) => key);
    for (const key of keys.toSorted()) this.#delete(key);
  }

  /** Creates a revision if anything was written. */
  #commit(): string | undefined {
    const events = this.#draftEvents;
    const draft = this.#draft;
    this.#draft = undefined;
    this.#draftEvents = [];
    if (draft === undefined || events.length === 0) return undefined;
    this.#states.push(draft);
    this.#events.push(events);
    let wrong: string | undefined;
    for (const value of new Set(events.map((event) => event.value))) {
      if (value === "") continue;
      const before = this.#writes.get(value);
      if (before !== undefined)
        wrong = `value ${value} was written at revision ${before} and again at ${this.revision}`;
      this.#writes.set(value, this.revision);
    }
    return wrong;
  }
}

export function keyName(key: number): string {
  return `key${key}`;
}
