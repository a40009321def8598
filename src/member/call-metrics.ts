/**
 * Which methods were called and how they ended, counted where all fronts pass: the numbers that etcd's gRPC server has.
 * There are as many as there are methods and status codes, however many calls come.
 */
import { EtcdError, GrpcCode, grpcCodeName } from "../protocol/errors.ts";
import { RPCS } from "../protocol/rpc-table.ts";
import type { RpcKind } from "../protocol/rpc.ts";
import { Histogram } from "./histogram.ts";
import type { Services } from "./services.ts";

/** What Prometheus' clients take when nobody tells them. */
const SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface CalledMethod {
  readonly service: string;
  readonly method: string;
  readonly kind: RpcKind;
  started: number;
  /** By the name of the code. */
  readonly handled: Map<string, number>;
  readonly seconds: Histogram;
}

type Described = Pick<CalledMethod, "service" | "method" | "kind">;
type Method = (this: void, ...args: readonly unknown[]) => unknown;
type Ended = (error?: unknown) => void;

interface Call {
  readonly ended: Ended;
  readonly received: (message: unknown) => void;
  readonly sent: (message: unknown) => void;
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
    for (const [service, rpcs] of Object.entries(RPCS)) {
      for (const [name, { service: fullName, method, kind }] of Object.entries<Described>(rpcs)) {
        const handled = new Map([[grpcCodeName(GrpcCode.OK), 0]]);
        const called = { service: fullName, method, kind, started: 0, handled, seconds: new Histogram(SECONDS) };
        this.#byName.set(`${service}.${name}`, called);
      }
    }
    this.methods = [...this.#byName.values()];
  }

  /** The same services, which count. */
  counted(services: Services): Services {
    const all = Object.entries(services).map(([name, service]) => [
      name,
      name in RPCS ? this.#countedService(name, service as Readonly<Record<string, Method>>) : service,
    ]);
    return Object.fromEntries(all) as Services;
  }

  #countedService(name: string, service: Readonly<Record<string, Method>>): Readonly<Record<string, Method>> {
    const methods = Object.entries(service).map(([key, method]): [string, Method] => {
      const called = this.#byName.get(`${name}.${key}`);
      if (called === undefined) return [key, method];
      return [key, (...args) => this.#call(called, () => method(...args), args)];
    });
    return Object.fromEntries(methods);
  }

  #call(called: CalledMethod, run: () => unknown, [message, context]: readonly unknown[]): unknown {
    const call: Call = { ended: this.#begin(called), received: this.#received, sent: this.#sent };
    const { ended } = call;
    // A stream that goes both ways has its messages later.
    if (context !== undefined) call.received(message);
    try {
      const given = run();
      if (given instanceof Promise) return answered(given, call);
      return isIterable(given) ? iterated(given, call) : streamed(given as Stream, call);
    } catch (error) {
      ended(error);
      throw error;
    }
  }

  readonly #received = (message: unknown): void => {
    this.receivedBytes += weight(message);
  };

  readonly #sent = (message: unknown): void => {
    this.sentBytes += weight(message);
  };

  #begin(called: CalledMethod): Ended {
    const startMs = this.#nowMs();
    called.started += 1;
    let open = true;
    return (error) => {
      if (!open) return;
      open = false;
      const code = grpcCodeName(codeOf(error));
      called.handled.set(code, (called.handled.get(code) ?? 0) + 1);
      // How long a stream was open tells nothing.
      if (called.kind === "unary") called.seconds.observe((this.#nowMs() - startMs) / 1_000);
    };
  }
}

function codeOf(error: unknown): GrpcCode {
  if (error === undefined) return GrpcCode.OK;
  return error instanceof EtcdError ? error.code : GrpcCode.Unknown;
}

/** What a field costs on the wire besides what is in it. */
const FIELD_BYTES = 2;

/** Of a message with all that is in it; what is not set is not sent. */
function weight(value: unknown): number {
  if (typeof value === "string") return value.length === 0 ? 0 : value.length + FIELD_BYTES;
  if (typeof value === "object" && value !== null) {
    return value instanceof Uint8Array ? bytesWeight(value) : sumOf(value);
  }
  if (typeof value === "bigint") return value === 0n ? 0 : 8 + FIELD_BYTES;
  return Number(value ?? 0) === 0 ? 0 : 1 + FIELD_BYTES;
}

function bytesWeight({ length }: Uint8Array): number {
  return length === 0 ? 0 : length + FIELD_BYTES;
}

function sumOf(message: object): number {
  let sum = FIELD_BYTES;
  for (const value of Object.values(message)) sum += weight(value);
  return sum;
}

async function answered(answer: Promise<unknown>, { ended, sent }: Call): Promise<unknown> {
  try {
    const response = await answer;
    sent(response);
    ended();
    return response;
  } catch (error) {
    ended(error);
    throw error;
  }
}

function isIterable(given: unknown): given is AsyncIterable<unknown> {
  return typeof given === "object" && given !== null && Symbol.asyncIterator in given;
}

async function* iterated(answers: AsyncIterable<unknown>, call: Call): AsyncGenerator<unknown, void, undefined> {
  const { ended, sent } = call;
  try {
    for await (const answer of answers) {
      sent(answer);
      yield answer;
    }
  } catch (error) {
    ended(error);
    throw error;
  } finally {
    ended();
  }
}

interface Stream {
  next(): Promise<unknown>;
  close(): void;
  request?(message: unknown): void;
}

/** A stream that is pulled ends when it is closed, or has no more, or breaks. */
function streamed(stream: Stream, { ended, received, sent }: Call): Stream {
  return {
    async next() {
      try {
        const response = await stream.next();
        if (response === undefined) ended();
        else sent(response);
        return response;
      } catch (error) {
        ended(error);
        throw error;
      }
    },
    close() {
      ended();
      stream.close();
    },
    request(message) {
      received(message);
      stream.request?.(message);
    },
  };
}
