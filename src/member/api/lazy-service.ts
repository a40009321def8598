/**
 * Services whose code is loaded when it is first asked for, or when there is time: in a page every byte that is loaded
 * at the start is waited for, and few ask for a snapshot or a user's password there.
 *
 * Whoever calls sees no difference, but for a first answer that takes a little longer.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { RpcKind } from "../../protocol/api/rpc.ts";

/** What a method gives: unary a promise, serverStream what is iterated, duplex what is pulled and may be told more. */
type Kinds<Service> = Readonly<Record<keyof Service & string, RpcKind>>;
type Method = (message: unknown, context: unknown) => unknown;
type AnyMethods = Readonly<Record<string, Method | undefined>>;

interface Stream {
  request?(message: unknown): void;
  next(): Promise<unknown>;
  close(): void;
}

/** Loads once, and again after a failure; rejects with an EtcdError. */
export function loadedOnce<Part>(load: () => Promise<Part>): () => Promise<Part> {
  let part: Promise<Part> | undefined;
  return () => {
    part ??= load().catch((error: unknown) => {
      part = undefined;
      throw error instanceof EtcdError
        ? error
        : new EtcdError(GrpcCode.Unavailable, `a part of the program could not be loaded: ${String(error)}`);
    });
    return part;
  };
}

/** `load` is called with each call, so it keeps what it has loaded. */
export function lazyService<Service extends object>(
  kinds: Kinds<NoInfer<Service>>,
  load: () => Promise<Service>,
): Service {
  const methods = Object.entries<RpcKind>(kinds).map(([name, kind]): [string, Method] => [
    name,
    lazyMethod(kind, async (message, context) => {
      const { [name]: method } = (await load()) as AnyMethods;
      return { given: method?.(message, context) };
    }),
  ]);
  return Object.fromEntries(methods) as Service;
}

/** In an object, because a promise that is given is not to be waited for here. */
type LazyCall = (message: unknown, context: unknown) => Promise<{ readonly given: unknown }>;

function lazyMethod(kind: RpcKind, call: LazyCall): Method {
  if (kind === "unary") return async (message, context) => (await call(message, context)).given;
  if (kind === "bidi") return (message, context) => new LazyStream(call(message, context));
  return (message, context) => iterated(() => call(message, context));
}

async function* iterated(call: () => ReturnType<LazyCall>): AsyncGenerator<unknown, void, undefined> {
  yield* (await call()).given as AsyncIterable<unknown>;
}

class LazyStream implements Stream {
  readonly #opened: Promise<Stream>;
  #stream: Stream | undefined;
  #unsent: unknown[] = [];
  #isClosed = false;

  constructor(called: ReturnType<LazyCall>) {
    this.#opened = this.#open(called);
    // Told by next().
    this.#opened.catch(() => {});
  }

  request(message: unknown): void {
    if (this.#stream === undefined) this.#unsent.push(message);
    else this.#stream.request?.(message);
  }

  async next(): Promise<unknown> {
    const stream = await this.#opened;
    return this.#isClosed ? undefined : stream.next();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  async #open(called: ReturnType<LazyCall>): Promise<Stream> {
    const stream = (await called).given as Stream;
    this.#stream = stream;
    if (this.#isClosed) stream.close();
    else for (const message of this.#unsent) stream.request?.(message);
    this.#unsent = [];
    return stream;
  }
}
