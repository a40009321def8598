/** WebDriver BiDi over one WebSocket: commands and their results; events are not asked for. https://w3c.github.io/webdriver-bidi */

/** Ends a command that hangs. */
const COMMAND_MS = 120_000;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Message =
  | { readonly type: "success"; readonly id: number; readonly result: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: string; readonly message: string }
  | { readonly type: "event"; readonly method: string; readonly params: unknown };

export class Bidi {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(String(data)) as Message));
    socket.addEventListener("close", () => this.#end());
  }

  /** Opens a session of its own. */
  static async connect(url: string): Promise<Bidi> {
    const socket = new WebSocket(`${url}/session`);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      socket.addEventListener("error", () => reject(new Error(`no WebDriver BiDi at ${url}`)), { once: true });
    });
    const bidi = new Bidi(socket);
    await bidi.send("session.new", { capabilities: {} });
    return bidi;
  }

  /** The result is what the specification says of this method; callers name its type. */
  async send<Result = unknown>(method: string, params: object): Promise<Result> {
    const id = ++this.#id;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const result = await new Promise<unknown>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        timer = setTimeout(() => reject(new Error(`${method} did not end`)), COMMAND_MS);
        this.#socket.send(JSON.stringify({ id, method, params }));
      });
      return result as Result;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #receive(message: Message): void {
    if (message.type === "event") return;
    const waiting = this.#waiting.get(message.id);
    if (message.type === "success") waiting?.resolve(message.result);
    else waiting?.reject(new Error(`${message.error}: ${message.message}`));
  }

  #end(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error("the browser is gone"));
  }
}
