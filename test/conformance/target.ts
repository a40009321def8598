/** Something that speaks etcd's JSON API: a real etcd, or Quorate in one of its runtimes. */

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  /** The headers that are part of etcd's API, where present. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Waiting {
  /** Undefined until it is answered. */
  readonly answer: Answer | undefined;
  abandon(): void;
}

export interface TargetStream {
  /** All frames so far. */
  readonly frames: readonly string[];
  readonly ended: boolean;
  send(text: string): void;
  close(): void;
}

export interface Target {
  call(request: Request): Promise<Answer>;
  begin(request: Request): Waiting;
  /** Over HTTP with a body, over a WebSocket without one. */
  open(path: string, token: string | undefined, body: string | undefined): Promise<TargetStream>;
  /** Lets time pass, of the wall's or of a test's own clock. */
  pause(ms: number): Promise<void>;
  changeLeader(): Promise<void>;
  stop(): Promise<void>;
}

/** A request whose answer is not waited for; `send` is given the signal that abandons it. */
export function begun(send: (signal: AbortSignal) => Promise<Answer>): Waiting {
  const controller = new AbortController();
  let answer: Answer | undefined;
  const answered = (given: Answer): void => {
    answer = given;
  };
  send(controller.signal).then(answered, () => {});
  return {
    get answer() {
      return answer;
    },
    abandon: () => controller.abort(),
  };
}

/** The lines of a response as they come; `close` is a reader that goes away. */
export class LineStream implements TargetStream {
  readonly frames: string[] = [];
  ended = false;
  readonly #controller = new AbortController();

  /** `send` is given the signal that ends the request. */
  constructor(send: (signal: AbortSignal) => Promise<Response>) {
    void this.#read(send).catch(() => {
      this.ended = true;
    });
  }

  send(): void {
    throw new Error("all requests of a stream over HTTP are in its body");
  }

  close(): void {
    this.#controller.abort();
  }

  async #read(send: (signal: AbortSignal) => Promise<Response>): Promise<void> {
    const response = await send(this.#controller.signal);
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    this.#controller.signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}));
    const decoder = new TextDecoder();
    let rest = "";
    for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
      const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      this.frames.push(...lines.filter((line) => line !== ""));
    }
    if (rest !== "") this.frames.push(rest);
    this.ended = true;
  }
}

const ANSWER_HEADERS = ["content-type", "www-authenticate", "location", "allow"];

export async function answerOf(response: Response): Promise<Answer> {
  const headers: Record<string, string> = {};
  for (const name of ANSWER_HEADERS) {
    const value = response.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return { status: response.status, headers, text: await response.text() };
}

/** What fetch sends: a GET has no body. */
export function initOf({ method, body, headers }: Request): RequestInit {
  return method === "GET" || method === "HEAD"
    ? { method, headers, redirect: "manual" }
    : { method, headers, body, redirect: "manual" };
}
