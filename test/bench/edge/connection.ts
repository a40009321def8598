/**
 * One kept-alive HTTP/1.1 connection with one request at a time, and as little work per request as JavaScript allows:
 * the client shares the cores with the servers that it measures, and what it burns they do not have.
 */
import { connect, type Socket } from "node:net";

const HEADERS_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

export class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.#onEnd(error));
    socket.on("close", () => this.#onEnd(new Error("the server closed the connection")));
  }

  /** `localAddress` is whom the server sees: on Linux all of 127.0.0.0/8 is this machine. */
  static open(url: string, localAddress?: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(port), host: hostname, localAddress });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** `request` is made by `postRequest`. */
  send(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const answer = answerIn(this.#received);
    if (answer === undefined) return;
    this.#received = Buffer.alloc(0);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  #onEnd(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}

export function postRequest(url: string, message: unknown): Buffer {
  const { host, pathname } = new URL(url);
  const body = JSON.stringify(message);
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`;
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** Undefined while it is not whole. */
function answerIn(received: Buffer): Answer | undefined {
  const headersEnd = received.indexOf(HEADERS_END);
  if (headersEnd === -1) return undefined;
  const headers = received.toString("latin1", 0, headersEnd).toLowerCase();
  const status = Number(headers.slice(9, 12));
  const start = headersEnd + HEADERS_END.length;
  const length = /\r\ncontent-length: *(\d+)/.exec(headers)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return received.length < end ? undefined : { status, body: received.subarray(start, end) };
  }
  // In chunks, of which nobody reads more than that the last one is there.
  const isWhole = received.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK);
  return isWhole ? { status, body: received.subarray(start) } : undefined;
}
