/** A WebSocket of etcd's own form at the edge cluster: JSON, and no pings. */
import { edge } from "./edge-kit.ts";

export interface Result {
  readonly header: { readonly revision: string };
  readonly watch_id?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly events?: readonly {
    readonly kv: { readonly key: string; readonly mod_revision: string };
    readonly prev_kv?: { readonly value: string };
  }[];
}

export class JsonSocket {
  readonly heard: { readonly result?: Result }[] = [];
  /** Undefined while it is open. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.heard.push(JSON.parse(String(data)) as { result?: Result }));
    socket.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
    });
    socket.accept();
  }

  static async open(path: string, token?: string): Promise<JsonSocket> {
    const headers: Record<string, string> = { upgrade: "websocket" };
    if (token !== undefined) headers["sec-websocket-protocol"] = `Bearer, ${token}`;
    const { webSocket } = await edge(path, { headers });
    if (webSocket === null) throw new Error("no WebSocket was accepted");
    return new JsonSocket(webSocket);
  }

  get isClosed(): boolean {
    return this.closed !== undefined;
  }

  /** Of the events that came, in their order. */
  get revisions(): readonly string[] {
    return this.heard.flatMap(({ result }) => result?.events ?? []).map(({ kv }) => kv.mod_revision);
  }

  send(request: object): void {
    this.#socket.send(JSON.stringify(request));
  }

  close(): void {
    this.#socket.close();
  }

  /** Until so many responses came, or the socket was closed. */
  async until(count: number): Promise<void> {
    while (this.heard.length < count && !this.isClosed) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
