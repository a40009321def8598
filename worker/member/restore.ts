/**
 * Creates a new cluster from a snapshot, in place of an empty cluster. Member 1 decides. The other members are held
 * meanwhile, so that nothing can be written to the cluster that is about to be replaced. It is a two-phase commit: hold
 * prepares, release aborts, ask queries the outcome, adopt commits.
 *
 *     begin   member 1 holds the others and itself, if nothing was ever written
 *     chunk   rows go into member 1's spare tables, one chunk after the other
 *     commit  ONE transaction at member 1: the new state, new ids, and the record that it is done.  Before it, nothing has
 *             happened; after it, the others delete their data and join, and get the state as any lagging member does
 *
 *     held member ── is restore X still running? ──► member 1:  under way │ done: join │ unknown: continue as before
 *
 * Member 1 persists nothing about a restore that is not done. If it crashes, the restore is unknown to it, and all
 * members continue. The new cluster has new ids, so that frames of the old one, however late, are rejected.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { fromBase64 } from "../../src/base/text-codes.ts";
import { StateRestore } from "../../src/member/snapshot/state-restore.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { DecodeError } from "../../src/protocol/decode-error.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import { DurableObjectRestore } from "../../src/storage/durable-object/durable-object-restore.ts";
import type { Identity, Storage } from "../../src/storage/storage.ts";
import { clearStorage } from "./clear-storage.ts";
import { type Unwritten, unwrittenCluster } from "./unwritten.ts";

/** Number of the member that decides. */
export const DECIDER = 1;

export type RestoreCall = { readonly type: "hold" | "release" | "ask" | "adopt"; readonly restore: string };
export type RestoreReply = "held" | "not-empty" | "under-way" | "done" | "unknown";

/** A client's step at the deciding member. `restore` is the id that `begin` returned. */
export type ClientStep =
  | { readonly type: "begin" }
  | { readonly type: "chunk"; readonly restore: string; readonly piece: string; readonly chunk: Uint8Array }
  | { readonly type: "commit"; readonly restore: string; readonly sha256: string }
  | { readonly type: "abort"; readonly restore: string };

/** In the form of an HTTP response. */
export interface StepResponse {
  readonly status: number;
  readonly body: Readonly<Record<string, string | number>>;
}

/** Response where something was ever written: no snapshot is restored there. */
export const NOT_EMPTY: StepResponse = {
  status: 412,
  body: {
    code: GrpcCode.FailedPrecondition,
    message:
      "the cluster is not empty: a snapshot is restored where nothing was ever written " +
      "(`npx quorate cluster create NAME` makes such a cluster, `npx quorate serve` with a new --data-dir such a member), " +
      "and into a room while its objects alone have ever voted and nobody is invited",
  },
};

const KEY = "restore";
/** A client that sends nothing for this long, in milliseconds, is gone. */
const SILENT_MS = 60_000;
/** Position at which the new cluster's log begins. */
const LOG_START = { index: 1, term: 1 };

interface PersistedPhase {
  readonly restore: string;
  readonly phase: "held" | "done";
}

interface Session {
  readonly restore: string;
  readonly target: DurableObjectRestore;
  readonly state: StateRestore;
  readonly hash: Sha256;
  /** Who votes in a room. Undefined for any other cluster. */
  readonly shape: "edge" | "mixed" | undefined;
  pieces: number;
  silence: ReturnType<typeof setTimeout>;
}

export interface RestoreHost {
  readonly size: number;
  readonly storage: DurableObjectStorage;
  /** Storage of the running member; undefined if none is running. */
  readonly running: () => Storage | undefined;
  /** Permanently removed from the cluster, which is therefore not empty. */
  readonly isRemoved: () => boolean;
  /** Stops the member. Nothing is served until `resume`. */
  readonly suspend: () => void;
  /** Opens the member again at the next event, possibly as a member of another cluster. */
  readonly resume: () => void;
  readonly call: (number: number, call: RestoreCall) => Promise<RestoreReply>;
  /** Identity of the cluster that a restore creates. */
  readonly identity: (restore: string) => Identity;
  readonly members: (restore: string) => readonly MemberRecord[];
  /** False for the members of a room that are tabs. */
  readonly isObject: (id: MemberId) => boolean;
}

/** Returns the id of the restore that created the cluster; its ids are derived from it. */
export function restoredFrom(storage: DurableObjectStorage): string | undefined {
  const persisted = storage.kv.get<PersistedPhase>(KEY);
  return persisted?.phase === "done" ? persisted.restore : undefined;
}

class Refusal extends Error {
  readonly answer: StepResponse;

  constructor(answer: StepResponse) {
    super(String(answer.body["message"]));
    this.answer = answer;
  }
}

function refused(status: number, code: GrpcCode, message: string): Refusal {
  return new Refusal({ status, body: { code, message } });
}

export class EdgeRestore {
  readonly #host: RestoreHost;
  /** Set at the deciding member only. */
  #session: Session | undefined;
  /** Id of a restore that is being prepared. */
  #preparing: string | undefined;

  constructor(host: RestoreHost) {
    this.#host = host;
  }

  /** Called before the member opens. Returns true if it must not open. May turn it into a member of the new cluster. */
  async isPrepared(): Promise<boolean> {
    if (this.#session !== undefined || this.#preparing !== undefined) return true;
    const persisted = this.#host.storage.kv.get<PersistedPhase>(KEY);
    if (persisted?.phase !== "held") return false;
    const reply = await this.#host.call(DECIDER, { type: "ask", restore: persisted.restore });
    if (reply === "done") this.#adopt(persisted.restore);
    else if (reply === "unknown") this.#host.storage.kv.delete(KEY);
    return reply === "under-way";
  }

  /** Serves a call of another member. */
  async respond({ type, restore }: RestoreCall): Promise<RestoreReply> {
    const { storage } = this.#host;
    const persisted = storage.kv.get<PersistedPhase>(KEY);
    switch (type) {
      case "hold":
        if (await this.#suspendIfEmpty(() => storage.kv.put(KEY, { restore, phase: "held" }))) return "held";
        return "not-empty";
      case "release":
        if (persisted?.phase === "held" && persisted.restore === restore) {
          storage.kv.delete(KEY);
          this.#host.resume();
        }
        return "unknown";
      case "ask":
        if (persisted?.phase === "done" && persisted.restore === restore) return "done";
        return [this.#session?.restore, this.#preparing].includes(restore) ? "under-way" : "unknown";
      case "adopt":
        if (persisted?.phase === "held" && persisted.restore === restore) {
          this.#adopt(restore);
          this.#host.resume();
        }
        return "done";
    }
  }

  /** Executes a client's step. Never rejects. */
  async take(step: ClientStep): Promise<StepResponse> {
    try {
      return { status: 200, body: await this.#step(step) };
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      await this.#abort();
      const isBad = error instanceof DecodeError;
      const message = error instanceof Error ? error.message : String(error);
      const code = isBad ? GrpcCode.InvalidArgument : GrpcCode.Internal;
      return { status: isBad ? 400 : 500, body: { code, message: `the restore was broken off: ${message}` } };
    }
  }

  async #step(step: ClientStep): Promise<StepResponse["body"]> {
    if (step.type === "begin") return this.#begin();
    const session = this.#session;
    if (session === undefined || session.restore !== step.restore) {
      throw refused(409, GrpcCode.FailedPrecondition, "this restore is not under way any more");
    }
    clearTimeout(session.silence);
    session.silence = setTimeout(() => void this.#abort(), SILENT_MS);
    switch (step.type) {
      case "chunk":
        return this.#takeChunk(session, step.piece, step.chunk);
      case "commit":
        return this.#commit(session, step.sha256);
      case "abort":
        await this.#abort();
        return {};
    }
  }

  async #begin(): Promise<StepResponse["body"]> {
    if (this.#session !== undefined || this.#preparing !== undefined) {
      throw refused(409, GrpcCode.FailedPrecondition, "another restore is under way");
    }
    const restore = crypto.randomUUID();
    this.#preparing = restore;
    try {
      const shape = await this.#prepare(restore);
      const target = new DurableObjectRestore(this.#host.storage);
      const silence = setTimeout(() => void this.#abort(), SILENT_MS);
      const state = new StateRestore(target.tables);
      this.#session = { restore, target, state, hash: new Sha256(), shape, pieces: 0, silence };
      return { restore };
    } catch (error) {
      await this.#unprepare(restore);
      this.#host.resume();
      throw error;
    } finally {
      this.#preparing = undefined;
    }
  }

  /** Returns who votes in the room that is replaced. */
  async #prepare(restore: string): Promise<Session["shape"]> {
    const { size, call } = this.#host;
    const unwritten = await this.#suspendIfEmpty(() => {});
    if (unwritten === undefined) throw new Refusal(NOT_EMPTY);
    for (let number = 1; number <= size; number++) {
      if (number === DECIDER) continue;
      const reply = await call(number, { type: "hold", restore }).catch((error: unknown) => {
        throw refused(503, GrpcCode.Unavailable, `member ${number} cannot be reached: ${String(error)}`);
      });
      if (reply !== "held") throw new Refusal(NOT_EMPTY);
    }
    return unwritten.shape;
  }

  #takeChunk(session: Session, piece: string, chunk: Uint8Array): StepResponse["body"] {
    if (piece !== String(session.pieces)) throw new DecodeError(`piece ${session.pieces} is next, not ${piece}`);
    session.pieces += 1;
    session.hash.update(chunk);
    session.state.take(chunk);
    return {};
  }

  async #commit(session: Session, sha256: string): Promise<StepResponse["body"]> {
    const { storage, members, identity, size, call, resume } = this.#host;
    const { restore, state, target, hash, shape } = session;
    const wanted = fromBase64(sha256);
    if (wanted === undefined || !equalBytes(hash.digest(), wanted))
      throw new DecodeError("pieces are missing or damaged");
    const records = members(restore);
    const revision = state.finish(records, shape && { shape, objects: records.map(({ id }) => id) });
    target.commit(identity(restore), LOG_START, () => {
      for (const [key] of storage.kv.list()) storage.kv.delete(key);
      storage.kv.put(KEY, { restore, phase: "done" } satisfies PersistedPhase);
    });
    clearTimeout(session.silence);
    this.#session = undefined;
    resume();
    // A member that misses this call queries the outcome itself, and also learns it from the new cluster's frames.
    for (let number = 1; number <= size; number++) {
      if (number !== DECIDER) await call(number, { type: "adopt", restore }).catch(() => {});
    }
    return { revision, members: size };
  }

  async #abort(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    clearTimeout(session.silence);
    session.target.abandon();
    this.#session = undefined;
    await this.#unprepare(session.restore);
    this.#host.resume();
  }

  async #unprepare(restore: string): Promise<void> {
    for (let number = 1; number <= this.#host.size; number++) {
      if (number !== DECIDER) await this.#host.call(number, { type: "release", restore }).catch(() => {});
    }
  }

  /**
   * Stops the member if nothing was ever written; undefined otherwise. `then` runs synchronously before the stop, so nothing
   * can be written in between.
   */
  async #suspendIfEmpty(then: () => void): Promise<Unwritten | undefined> {
    const { isRemoved, running: runningStorage, storage: objectStorage, size, isObject, suspend } = this.#host;
    if (isRemoved()) return undefined;
    const running = runningStorage();
    const storage = running ?? openDurableObjectStorage(objectStorage);
    const unwritten = unwrittenCluster(storage.log, size, isObject);
    if (unwritten !== undefined) {
      then();
      suspend();
    }
    if (unwritten !== undefined || running === undefined) await storage.close();
    return unwritten;
  }

  /** One transaction: either the old cluster's member, or one that is about to join the new cluster. */
  #adopt(restore: string): void {
    const { storage } = this.#host;
    storage.transactionSync(() => {
      clearStorage(storage);
      storage.kv.put(KEY, { restore, phase: "done" } satisfies PersistedPhase);
    });
  }
}
