/**
 * The proxy's multiplexed connections: all streams of all clients over as few WebSockets to the endpoint as possible. A
 * connection is opened for its first stream. When one breaks, the next stream opens another.
 */
import { MuxConnection } from "../client/mux/mux-connection.ts";
import type { MuxCall, MuxOptions } from "../client/mux/mux-connection.ts";
import type { CallContext } from "../member/api/services.ts";
import type { Rpc, RpcKind } from "../protocol/api/rpc/rpc.ts";

export interface MuxPoolOptions extends MuxOptions {
  /** Streams per connection. Default 512; the member accepts 1,024. */
  readonly maxStreams?: number;
}

export class MuxPool {
  readonly #options: MuxPoolOptions;
  readonly #maxStreams: number;
  readonly #connections: Set<MuxConnection> = new Set();

  constructor(options: MuxPoolOptions) {
    this.#options = options;
    this.#maxStreams = options.maxStreams ?? 512;
  }

  /** Number of open connections. */
  get count(): number {
    return this.#connections.size;
  }

  open<Request, Response>(rpc: Rpc<Request, Response, RpcKind>, context: CallContext): MuxCall<Request, Response> {
    return this.#withRoom().open(rpc, context);
  }

  /** Ends all streams and connections. An idle connection would keep the process alive for a while. */
  close(): void {
    for (const connection of this.#connections) connection.close("the front has stopped");
  }

  #withRoom(): MuxConnection {
    for (const connection of this.#connections)
      if (connection.streams < this.#maxStreams && connection.canOpen) return connection;
    const connection = new MuxConnection(this.#options, { onOver: () => this.#connections.delete(connection) });
    this.#connections.add(connection);
    return connection;
  }
}
