/** One WebSocket of a client at an object that may be evicted: what its server sees of it, and what the platform keeps. */
import type { Hibernation, SavedSocket } from "../../src/gateway/stream/hibernation.ts";

/** What the platform keeps with a socket. At most 16 KB. */
export interface Attachment {
  readonly id: string;
  /** Undefined while what was saved no longer holds. `streams` is undefined if it is stored. */
  readonly saved: { readonly streams: Uint8Array | undefined; readonly progress: Uint8Array } | undefined;
}

type Listener = (event: { readonly data: unknown }) => void;

export interface SocketHost {
  readonly pingedMs: () => number;
  /** Called when what was saved does not hold any more. */
  readonly onUnsaved: () => void;
}

export class ClientSocket {
  readonly id: string;
  readonly hibernation: Hibernation;
  readonly #socket: WebSocket;
  readonly #host: SocketHost;
  readonly #listeners: { readonly type: string; readonly listener: Listener }[] = [];
  #save: () => SavedSocket | undefined = () => undefined;
  /** What was saved holds. */
  #isSaved = true;
  #isQuiet = true;
  #isOver = false;

  constructor(socket: WebSocket, id: string, host: SocketHost) {
    this.#socket = socket;
    this.id = id;
    this.#host = host;
    this.hibernation = {
      onQuiet: (save) => {
        this.#save = save;
      },
      pingedMs: host.pingedMs,
    };
  }

  addEventListener(type: "message" | "close" | "error", listener: Listener): void {
    this.#listeners.push({ type, listener });
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.touched();
    this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  received(data: string | ArrayBuffer): void {
    this.touched();
    this.#emit("message", data);
  }

  gone(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#emit("close", undefined);
  }

  /** Something is about to change: what was saved does not hold. */
  touched(): void {
    this.#isQuiet = false;
    if (!this.#isSaved || this.#isOver) return;
    this.#isSaved = false;
    this.#socket.serializeAttachment({ id: this.id, saved: undefined } satisfies Attachment);
    this.#host.onUnsaved();
  }

  /** True if nothing was sent or received since the last call. */
  wasQuiet(): boolean {
    const wasQuiet = this.#isQuiet;
    this.#isQuiet = true;
    return wasQuiet;
  }

  save(): SavedSocket | undefined {
    return this.#save();
  }

  attach(saved: Attachment["saved"]): void {
    this.#socket.serializeAttachment({ id: this.id, saved } satisfies Attachment);
    this.#isSaved = true;
  }

  #emit(type: string, data: unknown): void {
    for (const each of this.#listeners) if (each.type === type) each.listener({ data });
  }
}
