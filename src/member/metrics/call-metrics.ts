/**
 * Which methods were called and how they ended, counted where all fronts pass: the numbers that etcd's gRPC server has.
 * There are as many as there are methods and status codes, however many calls come.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { RPC_KINDS } from "../../protocol/api/rpc-kinds.ts";
import type { AnyRpcKinds } from "../../protocol/api/rpc-kinds.ts";
import type { RpcKind } from "../../protocol/api/rpc.ts";
import { Histogram } from "./histogram.ts";
import type { Services } from "../api/services.ts";

/** What Prometheus' clients take when nobody tells them. */
const SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface CalledMethod {
  /** By the names of the table of methods. */
  readonly service: string;
  readonly name: string;
  readonly kind: RpcKind;
  started: number;
  /** How many ended so, by GrpcCode. */
  readonly handled: (number | undefined)[];
  readonly seconds: Histogram;
}

type Method = (this: void, message: unknown, context: unknown) => unknown;

/** A call under way; it ends once. */
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
  /** Bytes of the messages of clients, about as they are in gRPC, whatever the front makes of them. */
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

  /** The same services, which count. */
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

  /** The way of every put and range: the caller gets the very promise that the service gave. */
  #unary(called: CalledMethod, method: Method): Method {
    return (message, context) => {
      const startMs = this.#nowMs();
      called.started += 1;
      this.receivedBytes += weight(message);
      const answer = method(message, context) as Promise<unknown>;
      answer.then(
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
      return answer;
    };
  }

  #stream(called: CalledMethod, method: Method): Method {
    return (message, context) => {
      const call = new Call(this, called);
      // A stream that goes both ways has its messages later.
      if (context !== undefined) call.received(message);
      try {
        const given = method(message, context);
        // A beat of a keep-alive is a stream of one message.
        if (given instanceof Promise) return answered(given, call);
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

/** What a field costs on the wire besides what is in it. */
const FIELD_BYTES = 2;

/** Of a message with all that is in it; what is not set is not sent. */
function weight(value: unknown): number {
  if (typeof value === "object" && value !== null) {
    if (value instanceof Uint8Array) return bytesWeight(value.length);
    let sum = FIELD_BYTES;
    // Every call comes through here: this makes nothing, and `in` is slow for what is numbered.
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

async function answered(answer: Promise<unknown>, call: Call): Promise<unknown> {
  try {
    const response = await answer;
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

async function* iterated(answers: AsyncIterable<unknown>, call: Call): AsyncGenerator<unknown, void, undefined> {
  try {
    for await (const answer of answers) {
      call.sent(answer);
      yield answer;
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
}

/** A stream that is pulled ends when it is closed, or has no more, or breaks. */
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
  };
}
