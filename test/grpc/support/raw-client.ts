/** A gRPC client without any library's idea of etcd: the table of RPCs, our codecs, and what came over the wire. */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type {
  CallOptions,
  ChannelCredentials,
  ClientDuplexStream,
  ClientReadableStream,
  ServiceError,
} from "@grpc/grpc-js";
import { deserializer, serializer } from "../../../src/grpc/codec.ts";
import { rpcPath } from "../../../src/protocol/api/rpc/rpc.ts";
import type { Rpc, RpcKind } from "../../../src/protocol/api/rpc/rpc.ts";

export interface CallExtras extends CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
}

export class RawClient {
  readonly #client: Client;

  constructor(address: string, using: ChannelCredentials = credentials.createInsecure()) {
    this.#client = new Client(address, using, {
      "grpc.max_send_message_length": -1,
      "grpc.max_receive_message_length": -1,
      // Of certificates; TLS has no names for addresses.
      "grpc.ssl_target_name_override": "localhost",
      // The tests' servers come and go on ports that are used again.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  call<Request, Response>(rpc: Rpc<Request, Response>, request: Request, extras: CallExtras = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Request, Response>(
        rpcPath(rpc),
        serializer(rpc.request),
        deserializer(rpc.response),
        request,
        metadataOf(extras),
        extras,
        (error, response) => {
          if (error !== null) reject(error);
          else resolve(response as Response);
        },
      );
    });
  }

  stream<Request, Response>(
    rpc: Rpc<Request, Response, RpcKind>,
    request: Request,
    extras: CallExtras = {},
  ): Received<Response> {
    return new Received<Response>(
      this.#client.makeServerStreamRequest<Request, Response>(
        rpcPath(rpc),
        serializer(rpc.request),
        deserializer(rpc.response),
        request,
        metadataOf(extras),
        extras,
      ),
    );
  }

  duplex<Request, Response>(rpc: Rpc<Request, Response, RpcKind>, extras: CallExtras = {}): Duplex<Request, Response> {
    const call = this.#client.makeBidiStreamRequest<Request, Response>(
      rpcPath(rpc),
      serializer(rpc.request),
      deserializer(rpc.response),
      metadataOf(extras),
      extras,
    );
    return Object.assign(new Received<Response>(call), { call });
  }

  close(): void {
    this.#client.close();
  }
}

export type Duplex<Request, Response> = Received<Response> & { readonly call: ClientDuplexStream<Request, Response> };

/** What a stream brings, one after the other; then how it ended. */
export class Received<Response> {
  readonly ended: Promise<{ readonly code: number; readonly details: string }>;
  readonly #messages: AsyncIterator<Response>;
  readonly #cancel: () => void;

  constructor(call: ClientReadableStream<Response>) {
    // The status says the same.
    call.on("error", () => {});
    this.ended = new Promise((resolve) => {
      call.on("status", ({ code, details }: { readonly code: number; readonly details: string }) => {
        resolve({ code, details });
      });
    });
    this.#messages = call[Symbol.asyncIterator]() as AsyncIterator<Response>;
    this.#cancel = () => call.cancel();
  }

  async next(): Promise<Response> {
    const { done, value } = await this.#messages.next();
    if (done === true) throw new Error("the stream is over");
    return value;
  }

  async all(): Promise<readonly Response[]> {
    const responses: Response[] = [];
    for (let next = await this.#messages.next(); next.done !== true; next = await this.#messages.next()) {
      responses.push(next.value);
    }
    return responses;
  }

  cancel(): void {
    this.#cancel();
  }
}

/** The status of a call that must fail. */
export async function failure(call: Promise<unknown>): Promise<{ readonly code: number; readonly details: string }> {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code, details };
  }
  throw new Error("the call did not fail");
}

function metadataOf({ metadata = {} }: CallExtras): Metadata {
  const made = new Metadata();
  for (const [key, value] of Object.entries(metadata)) made.set(key, value);
  return made;
}
