/**
 * A new cluster out of a snapshot, where an empty cluster is. Member 1 decides; the others are held meanwhile, so that
 * nothing can be written to the cluster that is about to go.
 *
 *     begin   member 1 holds the others and itself, if nobody ever wrote anything
 *     chunk   rows go into member 1's spare tables, a piece after the other
 *     commit  ONE transaction at member 1: the new state, new ids, and that it is done.  Before it, nothing has happened;
 *             after it, the others throw away what they have and join, and get the state as any lagging member does
 *
 *     held member ── is restore X still going on? ──► member 1:  under way │ done: join │ never heard of it: go on as before
 *
 * Member 1 keeps no note of a restore that is not done. When it dies it has never heard of it, and everybody goes on.
 * New ids, so that no frame of the old cluster, however late, means anything in the new one.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { fromBase64 } from "../../src/base/text-codes.ts";
import { StateRestore } from "../../src/member/snapshot/state-restore.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { DecodeError } from "../../src/protocol/decode-error.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import { decode } from "../../src/protocol/codec/proto-codec.ts";
import type { LogReader } from "../../src/raft/log-reader.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import { DurableObjectRestore } from "../../src/storage/durable-object/durable-object-restore.ts";
import type { Identity, Storage } from "../../src/storage/storage.ts";
import { clearStorage } from "./clear-storage.ts";

/** The number of the member that decides. */
export const DECIDER = 1;

export type RestoreCall = { readonly type: "hold" | "release" | "ask" | "adopt"; readonly restore: string };
export type RestoreAnswer = "held" | "not-empty" | "under-way" | "done" | "unknown";

/** What a client asks of the member that decides; `restore` is what `begin` answered. */
export type ClientStep =
  | { readonly type: "begin" }
  | { readonly type: "chunk"; readonly restore: string; readonly piece: string; readonly chunk: Uint8Array }
  | { readonly type: "commit"; readonly restore: string; readonly sha256: string }
  | { readonly type: "abort"; readonly restore: string };

/** As HTTP says it. */
export interface StepAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, string | number>>;
}

/** Where something was ever written, a snapshot is not restored. */
export const NOT_EMPTY: StepAnswer = {
  status: 412,
  body: {
    code: GrpcCode.FailedPrecondition,
    message: "the cluster is not empty: a snapshot is restored where nothing was ever written",
  },
};

const KEY = "restore";
/** A client that sends nothing for longer is gone. */
const SILENT_MS = 60_000;
/** Where the new cluster's log begins. */
const BEGINNING = { index: 1, term: 1 };

interface PersistedPhase {
  readonly restore: string;
  readonly phase: "held" | "done";
}

interface Session {
  readonly restore: string;
  readonly target: DurableObjectRestore;
  readonly state: StateRestore;
  readonly hash: Sha256;
  pieces: number;
  silence: ReturnType<typeof setTimeout>;
}

export interface RestoreHost {
  readonly size: number;
  readonly storage: DurableObjectStorage;
  /** The store of the member that runs; undefined when none does. */
  readonly running: () => Storage | undefined;
  /** Removed from the cluster for good: whatever else there is, it is no empty cluster. */
  readonly isRemoved: () => boolean;
  /** The member stops; nothing is served until `resume`. */
  readonly suspend: () => void;
  /** Opens again at the next event, perhaps as a member of another cluster. */
  readonly resume: () => void;
  readonly call: (number: number, call: RestoreCall) => Promise<RestoreAnswer>;
  /** Of the cluster that a restore makes. */
  readonly identity: (restore: string) => Identity;
  readonly members: (restore: string) => readonly MemberRecord[];
}

/** Which restore the cluster came from; its ids follow from that. */
export function restoredFrom(storage: DurableObjectStorage): string | undefined {
  const note = storage.kv.get<PersistedPhase>(KEY);
  return note?.phase === "done" ? note.restore : undefined;
}

class Refusal extends Error {
  readonly answer: StepAnswer;

  constructor(answer: StepAnswer) {
    super(String(answer.body["message"]));
    this.answer = answer;
  }
}

function refused(status: number, code: GrpcCode, message: string): Refusal {
  return new Refusal({ status, body: { code, message } });
}

export class EdgeRestore {
  readonly #host: RestoreHost;
  /** At the decider only. */
  #session: Session | undefined;
  /** Begun, and the others are being asked. */
  #beginning: string | undefined;

  constructor(host: RestoreHost) {
    this.#host = host;
  }

  /** Before the member opens: whether it must not, or has become another one. */
  async isPrepared(): Promise<boolean> {
    if (this.#session !== undefined || this.#beginning !== undefined) return true;
    const note = this.#host.storage.kv.get<PersistedPhase>(KEY);
    if (note?.phase !== "held") return false;
    const answer = await this.#host.call(DECIDER, { type: "ask", restore: note.restore });
    if (answer === "done") this.#adopt(note.restore);
    else if (answer === "unknown") this.#host.storage.kv.delete(KEY);
    return answer === "under-way";
  }

  /** From another member. */
  async answer({ type, restore }: RestoreCall): Promise<RestoreAnswer> {
    const { storage } = this.#host;
    const note = storage.kv.get<PersistedPhase>(KEY);
    switch (type) {
      case "hold":
        if (!(await this.#suspendIfEmpty(() => storage.kv.put(KEY, { restore, phase: "held" })))) return "not-empty";
        return "held";
      case "release":
        if (note?.phase === "held" && note.restore === restore) {
          storage.kv.delete(KEY);
          this.#host.resume();
        }
        return "unknown";
      case "ask":
        if (note?.phase === "done" && note.restore === restore) return "done";
        return [this.#session?.restore, this.#beginning].includes(restore) ? "under-way" : "unknown";
      case "adopt":
        if (note?.phase === "held" && note.restore === restore) {
          this.#adopt(restore);
          this.#host.resume();
        }
        return "done";
    }
  }

  /** From a client. Never rejects. */
  async take(step: ClientStep): Promise<StepAnswer> {
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

  async #step(step: ClientStep): Promise<StepAnswer["body"]> {
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

  async #begin(): Promise<StepAnswer["body"]> {
    if (this.#session !== undefined || this.#beginning !== undefined) {
      throw refused(409, GrpcCode.FailedPrecondition, "another restore is under way");
    }
    const restore = crypto.randomUUID();
    this.#beginning = restore;
    try {
      await this.#prepare(restore);
      const target = new DurableObjectRestore(this.#host.storage);
      const silence = setTimeout(() => void this.#abort(), SILENT_MS);
      const state = new StateRestore(target.tables);
      this.#session = { restore, target, state, hash: new Sha256(), pieces: 0, silence };
      return { restore };
    } catch (error) {
      await this.#unprepare(restore);
      this.#host.resume();
      throw error;
    } finally {
      this.#beginning = undefined;
    }
  }

  async #prepare(restore: string): Promise<void> {
    const { size, call } = this.#host;
    if (!(await this.#suspendIfEmpty(() => {}))) throw new Refusal(NOT_EMPTY);
    for (let number = 1; number <= size; number++) {
      if (number === DECIDER) continue;
      const answer = await call(number, { type: "hold", restore }).catch((error: unknown) => {
        throw refused(503, GrpcCode.Unavailable, `member ${number} cannot be reached: ${String(error)}`);
      });
      if (answer !== "held") throw new Refusal(NOT_EMPTY);
    }
  }

  #takeChunk(session: Session, piece: string, chunk: Uint8Array): StepAnswer["body"] {
    if (piece !== String(session.pieces)) throw new DecodeError(`piece ${session.pieces} is next, not ${piece}`);
    session.pieces += 1;
    session.hash.update(chunk);
    session.state.take(chunk);
    return {};
  }

  async #commit(session: Session, sha256: string): Promise<StepAnswer["body"]> {
    const { storage, members, identity, size, call, resume } = this.#host;
    const { restore, state, target, hash } = session;
    const wanted = fromBase64(sha256);
    if (wanted === undefined || !equalBytes(hash.digest(), wanted))
      throw new DecodeError("pieces are missing or damaged");
    const records = members(restore);
    const revision = state.finish(records);
    target.commit(identity(restore), BEGINNING, () => {
      for (const [key] of storage.kv.list()) storage.kv.delete(key);
      storage.kv.put(KEY, { restore, phase: "done" } satisfies PersistedPhase);
    });
    clearTimeout(session.silence);
    this.#session = undefined;
    resume();
    // Whom this does not reach, asks; and is reached by the new cluster's frames anyway.
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

  /** The member stops, unless something was ever written; `then` is done while nothing can come in between. */
  async #suspendIfEmpty(then: () => void): Promise<boolean> {
    if (this.#host.isRemoved()) return false;
    const running = this.#host.running();
    const storage = running ?? openDurableObjectStorage(this.#host.storage);
    const isEmpty = isUnwritten(storage.log, this.#host.size);
    if (isEmpty) {
      then();
      this.#host.suspend();
    }
    if (isEmpty || running === undefined) await storage.close();
    return isEmpty;
  }

  /** All at once: the old cluster's member, or one that is about to join the new cluster. */
  #adopt(restore: string): void {
    const { storage } = this.#host;
    storage.transactionSync(() => {
      clearStorage(storage);
      storage.kv.put(KEY, { restore, phase: "done" } satisfies PersistedPhase);
    });
  }
}

/** Nothing but what a cluster does by itself: its founding, elections, members that say their names. */
function isUnwritten(log: LogReader, founders: number): boolean {
  if (log.firstIndex() > 1) return false;
  const end = log.lastIndex() + 1;
  let changes = 0;
  for (let index = 1; index < end;) {
    const entries = log.entries(index, end, 1024 * 1024);
    for (const { type, data } of entries) {
      if (type === "conf-change") changes += 1;
      else if (data.length > 0 && !isOfItself(data)) return false;
    }
    index += entries.length;
  }
  return changes <= founders;
}

function isOfItself(data: Uint8Array): boolean {
  const { type } = decode(internalRaftRequestSchema, data).request;
  return type === "clusterMemberAttrSet" || type === "clusterVersionSet" || type === "downgradeInfoSet";
}
