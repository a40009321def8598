/**
 * Services whose code is loaded at the first call, or when the page is idle. Every byte that a page loads at its start
 * delays it, and few pages take a snapshot or set a user's password.
 *
 * Callers see no difference, except that the first response takes a little longer.
 */
import type { RpcKind } from "../../protocol/api/rpc/rpc.ts";

/**
 * What a method returns. unary: a promise. serverStream: an iterable. duplex: a stream that is pulled and may take
 * further requests.
 */
type Kinds<Service> = Readonly<Record<keyof Service & string, RpcKind>>;
type Method = (message: unknown, context: unknown) => unknown;
type AnyMethods = Readonly<Record<string, Method | undefined>>;

interface Stream {
  request?(message: unknown): void;
  next(): Promise<unknown>;
  close(): void;
}

/**
 * Returns a service that loads its implementation on demand. `load` is called with each call, so it must cache its
 * result.
 */
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

/** Wrapped in an object, so that awaiting the load does not await a promise that the service returned. */
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
    // `next()` reports the failure.
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
