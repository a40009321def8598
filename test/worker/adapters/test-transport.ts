/** A Durable Object with an HTTP transport in it, which a test drives from outside. */
import { DurableObject } from "cloudflare:workers";
import type { MemberId } from "../../../src/protocol/peer/raft-message.ts";
import { HttpTransport } from "../../../src/transport/http.ts";
import { Recorder, type Received } from "../../contract/transport.ts";

interface Env {
  readonly TEST_CARRIERS: DurableObjectNamespace<TestCarrier>;
}

export interface TransportOptions {
  readonly world: string;
  readonly id: MemberId;
  readonly maxFrameBytes?: number;
  readonly maxQueueBytes?: number;
}

export class TestCarrier extends DurableObject<Env> {
  #transport: HttpTransport | undefined;
  #recorder: Recorder = new Recorder();

  open(options: TransportOptions): number {
    const { world, ...rest } = options;
    this.#recorder = new Recorder();
    this.#transport = new HttpTransport({
      ...rest,
      post: async (to, body) => {
        const { TEST_CARRIERS } = this.env;
        const stub = TEST_CARRIERS.get(TEST_CARRIERS.idFromName(`${world} ${to}`));
        const answer = await stub.raft(body);
        if (typeof answer === "string") throw new Error(answer);
        return answer;
      },
    });
    return this.#transport.maxFrameBytes;
  }

  /** Or why not. */
  async raft(batch: Uint8Array): Promise<Uint8Array | string> {
    return this.#opened.handlePost(batch).catch((error: unknown) => String(error));
  }

  start(): void {
    this.#opened.start(this.#recorder);
  }

  send(to: MemberId, frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#opened.send(to, frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    this.#opened.setPeers(peers);
  }

  received(count: number): Promise<readonly Received[]> {
    return this.#recorder.received(count);
  }

  greeted(from: MemberId, greeting: number): boolean {
    return this.#recorder.greeted(from, greeting);
  }

  observed(text: string, times: number | undefined): Promise<readonly string[]> {
    return this.#recorder.observed(text, times);
  }

  close(): void {
    this.#opened.close();
  }

  get #opened(): HttpTransport {
    if (this.#transport === undefined) throw new Error("open it first");
    return this.#transport;
  }
}
