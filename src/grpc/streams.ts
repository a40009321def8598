/**
 * Streams of a gRPC call. Responses are pulled one by one, and none is pulled while the call's own buffer is full. So a
 * client that does not read costs no more than that buffer holds.
 */
import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import type { Source } from "../member/api/source.ts";
import { errStopped } from "../protocol/errors.ts";
import type { EtcdError } from "../protocol/errors.ts";
import { serviceError } from "./status.ts";

type WritingCall<Response> = ServerWritableStream<unknown, Response> | ServerDuplexStream<unknown, Response>;

/** Open streams. They run until the client or, at a shutdown, the server ends them. */
export class OpenStreams {
  readonly #calls: Set<(error: EtcdError) => void> = new Set();

  /** Sends the responses of the source until the source, the client or the server ends the call. */
  serve<Response>(call: WritingCall<Response>, open: () => Source<Response>): void {
    let source: Source<Response>;
    try {
      source = open();
    } catch (error) {
      call.emit("error", serviceError(error));
      return;
    }
    let isOver = false;
    const end = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      this.#calls.delete(end);
      source.close();
      if (call.cancelled) return;
      if (error === undefined) call.end();
      else call.emit("error", serviceError(error));
    };
    this.#calls.add(end);
    call.on("cancelled", () => end(undefined));
    void send(call, source, () => isOver).then(() => end(undefined), end);
  }

  closeAll(): void {
    for (const end of this.#calls) end(errStopped);
  }
}

async function send<Response>(
  call: WritingCall<Response>,
  source: Source<Response>,
  isOver: () => boolean,
): Promise<void> {
  for (;;) {
    const response = await source.next();
    if (response === undefined || isOver()) return;
    if (!call.write(response)) await drained(call);
    if (isOver()) return;
  }
}

function drained<Response>(call: WritingCall<Response>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["drain", "cancelled", "close", "error"]) call.off(event, done);
      resolve();
    };
    for (const event of ["drain", "cancelled", "close", "error"]) call.on(event, done);
  });
}
