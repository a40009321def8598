/**
 * Members of one process that send each other POSTs, as Durable Objects do, with a place for an attacker among them.
 */
import { HttpTransport } from "../../../src/transport/http.ts";
import { encodeBatch } from "../../../src/transport/http-batch.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export class HttpTransports {
  readonly #clock: VirtualClock;
  readonly #transports: Map<bigint, HttpTransport> = new Map();
  #epoch = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  transportFor(id: bigint): HttpTransport {
    const transport = new HttpTransport({
      id,
      epoch: ++this.#epoch,
      post: async (to, body) => {
        const receiver = this.#transports.get(to);
        if (receiver === undefined) throw new Error(`no member ${to}`);
        return receiver.handlePost(body);
      },
      clock: {
        nowMs: () => this.#clock.nowMs(),
        after: (delayMs, run) => this.#clock.setTimer(delayMs, run),
      },
    });
    this.#transports.set(id, transport);
    return transport;
  }

  /** The response to a POST that claims to come from `from`. */
  async post(from: bigint, to: bigint, frame: Uint8Array): Promise<Uint8Array> {
    const receiver = this.#transports.get(to);
    if (receiver === undefined) throw new Error(`no member ${to}`);
    return receiver.handlePost(encodeBatch({ sender: from, epoch: ++this.#epoch, sequence: 0, frames: [frame] }));
  }
}
