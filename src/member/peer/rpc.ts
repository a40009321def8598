/**
 * Calls from one member to another, for what only the leader knows: a lease's time, whether a learner has caught up.
 *
 *     caller ── rpc {id, method, payload} ──► handler ── rpc-response {id, code, message, payload} ──► caller
 *
 * Carriers may lose a frame or bring it twice, so a call may be executed twice or end with a time-out although it was
 * executed; handlers are written for that. A call to the leader waits until one is known, and asks again, anew, while
 * the answer is that somebody else leads or none comes.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { EtcdError, GrpcCode, grpcCodeOf, errNotLeader, errRequestTooManyRequests } from "../../protocol/errors.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Outcome } from "../outcome.ts";

export type RpcCallback = (outcome: Outcome<Uint8Array>) => void;

/** Answers by `done`, now or later, once. */
export type RpcHandler = (payload: Uint8Array, done: RpcCallback, from: MemberId) => void;

export interface RpcHost {
  readonly id: MemberId;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly nowMs: () => number;
  /** Random: an answer to a call of this member's former life must not meet a call of this one. */
  readonly firstCall: number;
  /** For a call to oneself: not before the caller has returned. */
  readonly defer: (run: () => void) => void;
}

export interface RpcLimits {
  /** Calls under way, and requests of others that are not answered yet, each. */
  readonly pending: number;
  /** How long an answer may take; a call to the leader gets as long in all. */
  readonly timeoutMs: number;
  /** After so long without an answer the leader is asked again. */
  readonly retryMs: number;
}

interface Call {
  /** Who is asked now, and alone may answer. */
  readonly to: MemberId;
  readonly deadlineMs: number;
  readonly done: RpcCallback;
}

interface LeaderCall extends Omit<Call, "to"> {
  readonly method: string;
  readonly payload: Uint8Array;
  /** Not before, lest a member that does not know better is asked in a loop. */
  retryMs: number;
  /** The attempt under way; 0: none. */
  attempt: number;
}

const PAUSE_MS = 50;

type RpcRequest = Extract<FrameBody, { readonly type: "rpc" }>;
type RpcResponse = Extract<FrameBody, { readonly type: "rpc-response" }>;

export class Rpc {
  readonly #host: RpcHost;
  readonly #limits: RpcLimits;
  readonly #handlers: Map<string, RpcHandler> = new Map();
  readonly #calls: Map<number, Call> = new Map();
  readonly #toLeader: Set<LeaderCall> = new Set();
  #lastId: number;
  #serving = 0;

  constructor(host: RpcHost, limits: RpcLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#lastId = host.firstCall;
  }

  /** Calls of ours that wait for an answer. */
  get pending(): number {
    return this.#calls.size + this.#toLeader.size;
  }

  /** Those that have a handler. */
  get methods(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  handle(method: string, handler: RpcHandler): void {
    this.#handlers.set(method, handler);
  }

  call(to: MemberId, method: string, payload: Uint8Array, done: RpcCallback): void {
    const deadlineMs = this.#host.nowMs() + this.#limits.timeoutMs;
    if (this.#attempt(method, payload, { to, deadlineMs, done }) === 0) {
      done({ ok: false, error: errRequestTooManyRequests });
    }
  }

  /** Goes out with the next `dispatch`. */
  callLeader(method: string, payload: Uint8Array, done: RpcCallback): void {
    if (this.#toLeader.size >= this.#limits.pending) return done({ ok: false, error: errRequestTooManyRequests });
    const deadlineMs = this.#host.nowMs() + this.#limits.timeoutMs;
    this.#toLeader.add({ deadlineMs, method, payload, done, retryMs: -Infinity, attempt: 0 });
  }

  /** Asks the leader what waits for it; `leader` is to be one that was heard of lately, 0 when there is none. */
  dispatch(leader: MemberId): void {
    if (this.#toLeader.size === 0 || leader === 0n) return;
    const nowMs = this.#host.nowMs();
    for (const call of this.#toLeader) {
      if (call.retryMs > nowMs) continue;
      this.#calls.delete(call.attempt);
      call.retryMs = nowMs + this.#limits.retryMs;
      const done: RpcCallback = (outcome) => this.#leaderResponded(call, outcome);
      call.attempt = this.#attempt(call.method, call.payload, { to: leader, deadlineMs: call.deadlineMs, done });
    }
  }

  onRequest(from: MemberId, { id, method, payload }: RpcRequest): void {
    this.#serve(method, payload, from, (outcome) => {
      const answer = outcome.ok
        ? { code: GrpcCode.OK, message: "", payload: outcome.value }
        : { code: outcome.error.code, message: outcome.error.message, payload: EMPTY_BYTES };
      this.#host.send(from, { type: "rpc-response", id, ...answer });
    });
  }

  onResponse(from: MemberId, { id, code, message, payload }: RpcResponse): void {
    if (this.#calls.get(id)?.to !== from) return;
    const outcome: Outcome<Uint8Array> =
      code === GrpcCode.OK
        ? { ok: true, value: payload }
        : { ok: false, error: new EtcdError(grpcCodeOf(code), message) };
    this.#settle(id, outcome);
  }

  expire(error: EtcdError): void {
    this.#failUntil(this.#host.nowMs(), error);
  }

  failAll(error: EtcdError): void {
    this.#failUntil(Infinity, error);
  }

  /** 0 when too many calls are under way. */
  #attempt(method: string, payload: Uint8Array, call: Call): number {
    const { to } = call;
    if (this.#calls.size >= this.#limits.pending) return 0;
    const id = ++this.#lastId;
    this.#calls.set(id, call);
    if (to === this.#host.id) {
      this.#host.defer(() => this.#serve(method, payload, to, (outcome) => this.#settle(id, outcome)));
    } else {
      this.#host.send(to, { type: "rpc", id, method, payload });
    }
    return id;
  }

  #serve(method: string, payload: Uint8Array, from: MemberId, answer: RpcCallback): void {
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      const error = new EtcdError(GrpcCode.Unimplemented, `unknown method ${method}`);
      return answer({ ok: false, error });
    }
    if (this.#serving >= this.#limits.pending) return answer({ ok: false, error: errRequestTooManyRequests });
    this.#serving += 1;
    let answered = false;
    handler(
      payload,
      (outcome) => {
        if (answered) return;
        answered = true;
        this.#serving -= 1;
        answer(outcome);
      },
      from,
    );
  }

  #settle(id: number, outcome: Outcome<Uint8Array>): void {
    const call = this.#calls.get(id);
    // Answered before, given up, or of a former life of this member.
    if (call === undefined) return;
    this.#calls.delete(id);
    call.done(outcome);
  }

  #leaderResponded(call: LeaderCall, outcome: Outcome<Uint8Array>): void {
    if (!this.#toLeader.has(call)) return;
    call.attempt = 0;
    if (!outcome.ok && outcome.error.message === errNotLeader.message) {
      call.retryMs = this.#host.nowMs() + PAUSE_MS;
      return;
    }
    this.#toLeader.delete(call);
    call.done(outcome);
  }

  #failUntil(nowMs: number, error: EtcdError): void {
    for (const call of this.#toLeader) {
      if (call.deadlineMs > nowMs) continue;
      this.#toLeader.delete(call);
      this.#calls.delete(call.attempt);
      call.done({ ok: false, error });
    }
    for (const [id, call] of this.#calls) {
      if (call.deadlineMs > nowMs) continue;
      this.#calls.delete(id);
      call.done({ ok: false, error });
    }
  }
}
