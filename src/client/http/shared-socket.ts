/**
 * One WebSocket for the calls and watches of a client, beside HTTP. It is opened when it is asked for (lazy-socket.ts), which
 * loads this code, and closed when nothing was under way for two seconds.
 */
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import { MuxConnection, type MuxOptions } from "../mux/mux-connection.ts";

export interface SharedSocketOptions {
  readonly endpoint: string;
  readonly token: string;
  readonly WebSocket: WebSocketConstructor;
  /** As in MuxOptions. */
  readonly afterEvents?: MuxOptions["afterEvents"];
}

/** A watch waits this long for the socket. */
const CONNECT_MS = 3_000;
const CLOSE_AFTER_MS = 2_000;
/** Calls and watches per socket; a member takes 1,024. */
const STREAMS_MAX = 1_000;
/** Time without another attempt after a refused one. It doubles with each. */
const REFUSED_MS = 30_000;
const REFUSED_DOUBLINGS_MAX = 5;
/** The same where a socket was open before: the server is away, and its return must not be missed. */
const AWAY_MS = 1_000;

export class SharedSocket {
  readonly #options: SharedSocketOptions;
  #connection: MuxConnection | undefined;
  #opening: Promise<MuxConnection | undefined> | undefined;
  #refusals = 0;
  #wasOpen = false;
  #notBeforeMs = -Infinity;
  #isClosed = false;

  constructor(options: SharedSocketOptions) {
    this.#options = options;
  }

  /** The open socket, if it takes another call now. */
  get free(): MuxConnection | undefined {
    const connection = this.#connection;
    return connection?.isFree === true && connection.streams < STREAMS_MAX ? connection : undefined;
  }

  /** Opens the socket if it is not open. Returns undefined if it cannot be had now. Does not reject. */
  async opened(): Promise<MuxConnection | undefined> {
    const connection = this.#connection;
    if (connection?.canOpen === true) return connection.streams < STREAMS_MAX ? connection : undefined;
    if (this.#isClosed || performance.now() < this.#notBeforeMs) return undefined;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** What is under way ends in its own time. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.closeWhenIdle();
  }

  async #open(): Promise<MuxConnection | undefined> {
    try {
      return await new Promise<MuxConnection | undefined>((resolve) => {
        const options = { ...this.#options, timeoutMs: CONNECT_MS, closeAfterMs: CLOSE_AFTER_MS };
        const connection: MuxConnection = new MuxConnection(options, {
          onOpen: () => {
            this.#refusals = 0;
            this.#wasOpen = true;
            this.#connection = connection;
            if (this.#isClosed) connection.closeWhenIdle();
            resolve(connection.canOpen ? connection : undefined);
          },
          onOver: () => {
            if (this.#connection === connection) this.#connection = undefined;
            else this.#refused();
            resolve(undefined);
          },
        });
      });
    } catch {
      // What the platform's WebSocket throws may not fail a call that HTTP can make.
      this.#refused();
      return undefined;
    }
  }

  #refused(): void {
    const refusedMs = REFUSED_MS * 2 ** Math.min(this.#refusals++, REFUSED_DOUBLINGS_MAX);
    this.#notBeforeMs = performance.now() + (this.#wasOpen ? AWAY_MS : refusedMs);
  }
}
