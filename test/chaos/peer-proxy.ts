/**
 * Between the members: an HTTP proxy in front of each member's peer listener. A batch names its sender, so that every
 * pair of members can be cut off or delayed by itself, in both directions.
 */
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const HOST = "127.0.0.1";
/** Of the sender in a batch; see src/transport/http-batch.ts. */
const SENDER_AT = 1;

export interface LinkFaults {
  /** Frames are lost, in both directions: the connection hangs up at once, or nothing is ever answered. */
  readonly cut: "hangs-up" | "silent" | undefined;
  readonly delayMs: number;
  /** Part of the batches of which the answer is lost after they were delivered. */
  readonly lossProbability: number;
}

export const NO_FAULTS: LinkFaults = { cut: undefined, delayMs: 0, lossProbability: 0 };

export class PeerProxy {
  /** Called with the sender's id for each batch. */
  faultsFrom: (sender: bigint) => LinkFaults = () => NO_FAULTS;
  readonly #server: Server;
  readonly #agent: Agent = new Agent({ keepAlive: true });
  readonly #target: number;
  readonly #random: () => number;

  private constructor(target: number, random: () => number) {
    this.#target = target;
    this.#random = random;
    this.#server = createServer((received, response) => void this.#pass(received, response));
  }

  static async before(target: number, random: () => number): Promise<PeerProxy> {
    const proxy = new PeerProxy(target, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, HOST, resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  async #pass(received: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await wholeOf(received);
      const isBatch = received.method === "POST" && body.length >= SENDER_AT + 8;
      const { cut, delayMs, lossProbability } = isBatch ? this.faultsFrom(body.readBigUInt64BE(SENDER_AT)) : NO_FAULTS;
      if (cut === "hangs-up") response.destroy();
      if (cut !== undefined) return;
      if (delayMs > 0) await sleep(delayMs * (0.5 + this.#random()));
      const { status, answer } = await this.#forward(received, body);
      if (this.#random() < lossProbability) {
        response.destroy();
        return;
      }
      response.writeHead(status).end(answer);
    } catch {
      response.destroy();
    }
  }

  #forward(received: IncomingMessage, body: Buffer): Promise<{ readonly status: number; readonly answer: Buffer }> {
    const { method, url, headers } = received;
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: HOST, port: this.#target, method, path: url, headers: { ...headers }, agent: this.#agent },
        (answered) => {
          wholeOf(answered).then((answer) => resolve({ status: answered.statusCode ?? 502, answer }), reject);
        },
      );
      sent.once("error", reject);
      sent.end(body);
    });
  }
}

async function wholeOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
