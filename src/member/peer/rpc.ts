/**
 * Calls from one member to another, for what only the leader knows: the TTL of a lease, whether a learner has caught
 * up.
 *
 *     caller ── rpc {id, method, payload} ──► handler ── rpc-response {id, code, message, payload} ──► caller
 *
 * Transports may lose or duplicate a frame, so a call may be executed twice, or time out although it was executed.
 * Handlers must allow for that. A call to the leader waits until one is known. It is sent again, as a new attempt,
 * while the response is "not leader" or none arrives.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { EtcdError, GrpcCode, grpcCodeOf, errNotLeader, errRequestTooManyRequests } from "../../protocol/errors.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Outcome } from "../outcome.ts";

export type RpcCallback = (outcome: Outcome<Uint8Array>) => void;

/** Handles a call. Must call `done` once, now or later. */
export type RpcHandler = (payload: Uint8Array, done: RpcCallback, from: MemberId) => void;

export interface RpcHost {
  readonly id: MemberId;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly nowMs: () => number;
  /** Random, so that a response to a call of this member's previous run does not match a call of this run. */
  readonly firstCall: number;
  /** Runs a call to the member itself, after its caller has returned. */
  readonly defer: (run: () => void) => void;
}

export interface RpcLimits {
  /** Limit of own calls in flight, and limit of unanswered requests of other members. */
  readonly pending: number;
  /** How long a call may take; for a call to the leader: all attempts together. */
  readonly timeoutMs: number;
  /** A call to the leader is sent again after this time without a response. */
  readonly retryMs: number;
}

interface Call {
  /** The callee. Only its response is accepted. */
  readonly to: MemberId;
  readonly deadlineMs: number;
  readonly done: RpcCallback;
}

interface LeaderCall extends Omit<Call, "to"> {
  readonly method: string;
  readonly payload: Uint8Array;
  /** Earliest time of the next attempt, so that a member that is not the leader is not called in a loop. */
  retryMs: number;
  /** Id of the attempt in flight; 0 if there is none. */
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

  /** Own calls that wait for a response. */
  get pending(): number {
    return this.#calls.size + this.#toLeader.size;
  }

  /** Methods that have a handler. */
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

  /**
   * Queues a call to the leader. The next `dispatch` sends it. Fails with `errRequestTooManyRequests` if too many are
   * queued.
   */
  callLeader(method: string, payload: Uint8Array, done: RpcCallback): void {
    if (this.#toLeader.size >= this.#limits.pending) return done({ ok: false, error: errRequestTooManyRequests });
    const deadlineMs = this.#host.nowMs() + this.#limits.timeoutMs;
    this.#toLeader.add({ deadlineMs, method, payload, done, retryMs: -Infinity, attempt: 0 });
  }

  /** Sends queued calls to the leader. `leader` must be a member heard recently, or 0 if there is none. */
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

  /** Sends a call. Returns its id, or 0 if too many calls are in flight. */
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
    let hasResponded = false;
    handler(
      payload,
      (outcome) => {
        if (hasResponded) return;
        hasResponded = true;
        this.#serving -= 1;
        answer(outcome);
      },
      from,
    );
  }

  #settle(id: number, outcome: Outcome<Uint8Array>): void {
    const call = this.#calls.get(id);
    // The call was completed before, has expired, or belongs to a previous run of this member.
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
