/**
 * Counts calls by method and status, where all API layers pass: the numbers that etcd's gRPC server has. Memory is
 * bounded by the number of methods and status codes, not of calls.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { AnyRpcKinds } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { Histogram } from "./histogram.ts";
import type { Services } from "../api/services.ts";

/** The default buckets of Prometheus clients. */
const SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface CalledMethod {
  /** As in the method table. */
  readonly service: string;
  readonly name: string;
  readonly kind: RpcKind;
  started: number;
  /** Number of calls that ended with each GrpcCode. */
  readonly handled: (number | undefined)[];
  readonly seconds: Histogram;
}

type Method = (this: void, message: unknown, context: unknown) => unknown;

/** A call in flight; it ends once. */
class Call {
  readonly #metrics: CallMetrics;
  readonly #called: CalledMethod;
  #isOpen = true;

  constructor(metrics: CallMetrics, called: CalledMethod) {
    this.#metrics = metrics;
    this.#called = called;
    called.started += 1;
  }

  received(message: unknown): void {
    this.#metrics.receivedBytes += weight(message);
  }

  sent(message: unknown): void {
    this.#metrics.sentBytes += weight(message);
  }

  ended(error?: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    count(this.#called, error);
  }
}

export class CallMetrics {
  /** Bytes of client messages, about as large as in gRPC, whatever encoding the API layer uses. */
  receivedBytes = 0;
  sentBytes = 0;
  readonly methods: readonly CalledMethod[];
  readonly #byName: Map<string, CalledMethod> = new Map();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    for (const [service, kinds] of Object.entries(RPC_KINDS as AnyRpcKinds)) {
      for (const [name, kind] of Object.entries(kinds)) {
        const called = { service, name, kind, started: 0, handled: [0], seconds: new Histogram(SECONDS) };
        this.#byName.set(`${service}.${name}`, called);
      }
    }
    this.methods = [...this.#byName.values()];
  }

  called(service: string, name: string): CalledMethod | undefined {
    return this.#byName.get(`${service}.${name}`);
  }

  /** Returns the same services with counting. */
  counted(services: Services): Services {
    const all = Object.entries(services).map(([name, service]) => [
      name,
      name in RPC_KINDS ? this.#countedService(name, service as Readonly<Record<string, Method>>) : service,
    ]);
    return Object.fromEntries(all) as Services;
  }

  #countedService(name: string, service: Readonly<Record<string, Method>>): Readonly<Record<string, Method>> {
    const methods = Object.entries(service).map(([key, method]): [string, Method] => {
      const called = this.called(name, key);
      if (called === undefined) return [key, method];
      return [key, called.kind === "unary" ? this.#unary(called, method) : this.#stream(called, method)];
    });
    return Object.fromEntries(methods);
  }

  /**
   * Every put and range passes here. So the caller gets the very promise that the service returned, without another one
   * around it.
   */
  #unary(called: CalledMethod, method: Method): Method {
    return (message, context) => {
      const startMs = this.#nowMs();
      called.started += 1;
      this.receivedBytes += weight(message);
      const promise = method(message, context) as Promise<unknown>;
      promise.then(
        (response) => {
          this.sentBytes += weight(response);
          count(called, undefined);
          called.seconds.observe((this.#nowMs() - startMs) / 1_000);
        },
        (error: unknown) => {
          count(called, error);
          called.seconds.observe((this.#nowMs() - startMs) / 1_000);
        },
      );
      return promise;
    };
  }

  #stream(called: CalledMethod, method: Method): Method {
    return (message, context) => {
      const call = new Call(this, called);
      // The messages of a bidirectional stream come later.
      if (context !== undefined) call.received(message);
      try {
        const given = method(message, context);
        // A keep-alive counts as a stream of one message.
        if (given instanceof Promise) return countedResponse(given, call);
        return isIterable(given) ? iterated(given, call) : streamed(given as Stream, call);
      } catch (error) {
        call.ended(error);
        throw error;
      }
    };
  }
}

function count({ handled }: CalledMethod, error: unknown): void {
  const code = error === undefined ? GrpcCode.OK : error instanceof EtcdError ? error.code : GrpcCode.Unknown;
  handled[code] = (handled[code] ?? 0) + 1;
}

/** Overhead of a field on the wire. */
const FIELD_BYTES = 2;

/** Returns the size of a message with all its fields. Unset fields are not sent. */
function weight(value: unknown): number {
  if (typeof value === "object" && value !== null) {
    if (value instanceof Uint8Array) return bytesWeight(value.length);
    let sum = FIELD_BYTES;
    // Every call comes through here. So this allocates nothing, and avoids `in`, which is slow for indexed elements.
    if (Array.isArray(value)) for (const each of value) sum += weight(each);
    else for (const key in value) sum += weight((value as Readonly<Record<string, unknown>>)[key]);
    return sum;
  }
  if (typeof value === "string") return bytesWeight(value.length);
  if (typeof value === "bigint") return value === 0n ? 0 : 8 + FIELD_BYTES;
  return value === 0 || value === false || value === undefined ? 0 : 1 + FIELD_BYTES;
}

function bytesWeight(length: number): number {
  return length === 0 ? 0 : length + FIELD_BYTES;
}

async function countedResponse(promise: Promise<unknown>, call: Call): Promise<unknown> {
  try {
    const response = await promise;
    call.sent(response);
    call.ended();
    return response;
  } catch (error) {
    call.ended(error);
    throw error;
  }
}

function isIterable(given: unknown): given is AsyncIterable<unknown> {
  return typeof given === "object" && given !== null && Symbol.asyncIterator in given;
}

async function* iterated(responses: AsyncIterable<unknown>, call: Call): AsyncGenerator<unknown, void, undefined> {
  try {
    for await (const response of responses) {
      call.sent(response);
      yield response;
    }
  } catch (error) {
    call.ended(error);
    throw error;
  } finally {
    call.ended();
  }
}

interface Stream {
  next(): Promise<unknown>;
  close(): void;
  request?(message: unknown): void;
  position?(): unknown;
}

/** A pulled stream ends when it is closed, has no more responses, or fails. */
function streamed(stream: Stream, call: Call): Stream {
  return {
    async next() {
      try {
        const response = await stream.next();
        if (response === undefined) call.ended();
        else call.sent(response);
        return response;
      } catch (error) {
        call.ended(error);
        throw error;
      }
    },
    close() {
      call.ended();
      stream.close();
    },
    request(message) {
      call.received(message);
      stream.request?.(message);
    },
    position: () => stream.position?.(),
  };
}
