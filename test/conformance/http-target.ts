/** A server behind a URL: a real etcd, or Quorate at the edge. */
import { answerOf, begun, initOf, LineStream } from "./target.ts";
import type { Answer, Request, Target, TargetStream, Waiting } from "./target.ts";

export interface HttpTargetOptions {
  readonly changeLeader?: () => Promise<void>;
  readonly stop?: () => Promise<void>;
}

const REAL_PAUSE_MIN_MS = 5;

export class HttpTarget implements Target {
  readonly #url: string;
  readonly #options: HttpTargetOptions;

  constructor(url: string, options: HttpTargetOptions = {}) {
    this.#url = url.replace(/\/$/, "");
    this.#options = options;
  }

  async call(request: Request): Promise<Answer> {
    return this.#fetch(request);
  }

  begin(request: Request): Waiting {
    return begun((signal) => this.#fetch(request, signal));
  }

  async open(path: string, token: string | undefined, body: string | undefined): Promise<TargetStream> {
    if (body !== undefined) {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
      return new LineStream((signal) => fetch(this.#url + path, { method: "POST", headers, body, signal }));
    }
    const url = `${this.#url.replace(/^http/, "ws")}${path}`;
    const socket = new WebSocket(url, token === undefined ? [] : ["Bearer", token]);
    const stream = new SocketStream(socket);
    return new Promise((resolve) => {
      socket.addEventListener("open", () => resolve(stream));
      socket.addEventListener("error", () => resolve(stream));
    });
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, Math.max(ms, REAL_PAUSE_MIN_MS));
    });
  }

  async changeLeader(): Promise<void> {
    await this.#options.changeLeader?.();
  }

  async stop(): Promise<void> {
    await this.#options.stop?.();
  }

  async #fetch(request: Request, signal?: AbortSignal): Promise<Answer> {
    const init = initOf(request);
    try {
      return await answerOf(await fetch(this.#url + request.path, signal === undefined ? init : { ...init, signal }));
    } catch (error) {
      // Some requests kill an etcd; whoever runs this wants to know which.
      throw new Error(`${this.#url} did not answer ${request.path} ${request.body}`, { cause: error });
    }
  }
}

class SocketStream implements TargetStream {
  readonly frames: string[] = [];
  ended = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => void this.frames.push(String(data)));
    for (const type of ["close", "error"] as const) {
      socket.addEventListener(type, () => {
        this.ended = true;
      });
    }
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  close(): void {
    this.#socket.close();
  }
}
