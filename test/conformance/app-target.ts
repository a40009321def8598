/** Quorate's gateway called in the same process, whatever the members behind it are made of. */
import type { AcceptedWebSocket, gatewayApp } from "../../src/gateway/app.ts";
import type { WebSocketLike } from "../../src/gateway/stream/websocket.ts";
import { answerOf, begun, initOf, LineStream } from "./target.ts";
import type { Answer, Request as TargetRequest, Target, TargetStream, Waiting } from "./target.ts";

type App = ReturnType<typeof gatewayApp>;

export interface Surroundings {
  /** The promise's value, with the clock moved until it settles where nothing else moves it. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** After each call: until what is read from any member is not older than what was written. */
  applied(): Promise<void>;
  pause(ms: number): Promise<void>;
  changeLeader(): Promise<void>;
  /** Which of the apps is the leader's. */
  leader(): number;
  stop(): Promise<void>;
}

export class AppTarget implements Target {
  readonly #surroundings: Surroundings;
  readonly #apps: readonly App[];
  #socket: ProcessSocket | undefined;
  #turn = 0;

  /** `makeApps` is given what each app must do with a WebSocket. */
  constructor(surroundings: Surroundings, makeApps: (accept: () => AcceptedWebSocket) => readonly App[]) {
    this.#surroundings = surroundings;
    this.#apps = makeApps(() => ({
      socket: (this.#socket as ProcessSocket).gatewayEnd,
      response: new Response(null),
    }));
  }

  async call(request: TargetRequest): Promise<Answer> {
    const answer = await this.#surroundings.settled(this.#fetch(request));
    await this.#surroundings.applied();
    return answer;
  }

  begin(request: TargetRequest): Waiting {
    return begun((signal) => this.#fetch(request, signal));
  }

  async open(path: string, token: string | undefined, body: string | undefined): Promise<TargetStream> {
    const app = this.#nextApp();
    if (body !== undefined) {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
      const url = `http://edge${path}`;
      const send = async (signal: AbortSignal): Promise<Response> =>
        app.fetch(new Request(url, { method: "POST", headers, body, signal }));
      return new LineStream(send);
    }
    const request = new Request(`http://edge${path}`);
    // A browser lets nobody make a request with these; what a server gets has them.
    const headers = new Headers({ upgrade: "websocket" });
    if (token !== undefined) headers.set("sec-websocket-protocol", `Bearer, ${token}`);
    Object.defineProperty(request, "headers", { value: headers });
    this.#socket = new ProcessSocket();
    const stream = this.#socket;
    await this.#surroundings.settled(Promise.resolve(app.fetch(request)));
    return stream;
  }

  pause(ms: number): Promise<void> {
    return this.#surroundings.pause(ms);
  }

  changeLeader(): Promise<void> {
    return this.#surroundings.changeLeader();
  }

  stop(): Promise<void> {
    return this.#surroundings.stop();
  }

  /** Each call at another member, as clients of a cluster are spread. */
  #nextApp(): App {
    this.#turn = (this.#turn + 1) % this.#apps.length;
    return this.#apps[this.#turn] as App;
  }

  async #fetch(request: TargetRequest, signal?: AbortSignal): Promise<Answer> {
    const init = initOf(request);
    const raw = new Request(`http://edge${request.path}`, signal === undefined ? init : { ...init, signal });
    // Nobody else may be asked this, in etcd too.
    const atLeader = request.path === "/v3/maintenance/transfer-leadership";
    const app = atLeader ? (this.#apps[this.#surroundings.leader()] as App) : this.#nextApp();
    return answerOf(await app.fetch(raw));
  }
}

/** The client's end of a WebSocket that leads to the gateway and needs no network. */
class ProcessSocket implements TargetStream {
  readonly frames: string[] = [];
  ended = false;
  readonly #received: ((event: { readonly data: unknown }) => void)[] = [];
  readonly #closed: (() => void)[] = [];

  readonly gatewayEnd: WebSocketLike = {
    bufferedAmount: 0,
    send: (text) => void this.frames.push(text),
    close: () => {
      this.ended = true;
    },
    addEventListener: (type: string, listener: (event: { readonly data: unknown }) => void) => {
      if (type === "message") this.#received.push(listener);
      if (type === "close") this.#closed.push(() => listener({ data: undefined }));
    },
  };

  send(text: string): void {
    for (const listener of this.#received) listener({ data: text });
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    for (const listener of this.#closed) listener();
  }
}
