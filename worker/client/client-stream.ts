/** The reader's end of a stream at a member (service-rpc.ts). */
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import type { CallResult, OpenResult, RpcStream } from "../common/service-rpc.ts";

export class ClientStream {
  readonly #opened: Promise<RpcStream>;
  readonly #closed: PromiseWithResolvers<undefined> = Promise.withResolvers();
  #isClosed = false;

  constructor(opening: Promise<OpenResult>) {
    this.#opened = opening.then((opened) => {
      if (opened.type === "error") throw new EtcdError(opened.code, opened.message);
      // What another object has given is held there until it is disposed of here.
      const stream: RpcStream & Partial<Disposable> = opened.stream;
      void this.#closed.promise.then(() => stream[Symbol.dispose]?.());
      return stream;
    });
    // Told by next().
    this.#opened.catch(() => {});
  }

  request(message: Uint8Array): void {
    // What is wrong with it, next() is told.
    this.#opened.then((stream) => (this.#isClosed ? undefined : stream.request(message))).catch(() => {});
  }

  /** Undefined at the end, and once it is closed. */
  async next(): Promise<Uint8Array | undefined> {
    const result = await Promise.race([this.#next(), this.#closed.promise]);
    return result === undefined ? undefined : bytesOf(result);
  }

  /** The member hears of it, whether it has answered yet or not. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const told = this.#opened.then((stream) => stream.close()).catch(() => {});
    void told.then(() => this.#closed.resolve(undefined));
  }

  async #next(): Promise<CallResult | undefined> {
    const stream = await this.#opened;
    if (this.#isClosed) return undefined;
    try {
      return await stream.next();
    } catch (error) {
      throw new EtcdError(GrpcCode.Unavailable, `the member was lost: ${String(error)}`);
    }
  }
}

/** Throws the EtcdError that came instead. */
export async function bytesOf(result: CallResult): Promise<Uint8Array> {
  if (result.type === "error") throw new EtcdError(result.code, result.message);
  const { response } = result;
  return response instanceof Uint8Array ? response : new Uint8Array(await new Response(response).arrayBuffer());
}
