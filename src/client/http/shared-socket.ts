/**
 * One WebSocket for the calls and watches of a client, beside HTTP. Nobody waits for it but a watch: calls go over HTTP
 * until it is open, and whenever it is refused, lost or full. It is opened for a watch, for a call that may wait long,
 * and for the second call within a second; it is closed when nothing was under way for two seconds. Its code is loaded
 * then too.
 */
import { loadedOnce } from "../../member/api/lazy-service.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import type { MuxConnection } from "../mux/mux-connection.ts";

export interface SharedSocketOptions {
  readonly endpoint: string;
  readonly token: string;
  readonly WebSocket: WebSocketConstructor;
}

/** A watch waits this long for the socket. */
const CONNECT_MS = 3_000;
const CLOSE_AFTER_MS = 2_000;
/** Calls within this time of each other are worth a socket. */
const FREQUENT_MS = 1_000;
/** Calls and watches per socket; a member takes 1,024. */
const STREAMS_MAX = 1_000;
/** Time without another attempt after a refused one. It doubles with each. */
const REFUSED_MS = 30_000;
const REFUSED_DOUBLINGS_MAX = 5;
/** The same where a socket was open before: the server is away, and its return must not be missed. */
const AWAY_MS = 1_000;

export class SharedSocket {
  readonly #options: SharedSocketOptions;
  readonly #code = loadedOnce(() => import("../mux/mux-connection.ts"));
  #connection: MuxConnection | undefined;
  #opening: Promise<MuxConnection | undefined> | undefined;
  #lastCallMs = -Infinity;
  #refusals = 0;
  #wasOpen = false;
  #notBeforeMs = -Infinity;
  #isClosed = false;

  constructor(options: SharedSocketOptions) {
    this.#options = options;
  }

  /** Returns the open socket for a call to make now, or undefined: then the call goes over HTTP. */
  forCall(isPatient: boolean): MuxConnection | undefined {
    const nowMs = performance.now();
    const isFrequent = nowMs - this.#lastCallMs < FREQUENT_MS;
    this.#lastCallMs = nowMs;
    if (this.#connection?.isFree === true && this.#connection.streams < STREAMS_MAX) return this.#connection;
    if (isFrequent || isPatient) void this.opened();
    return undefined;
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
    const { endpoint, token, WebSocket } = this.#options;
    try {
      const code = await this.#code();
      return await new Promise<MuxConnection | undefined>((resolve) => {
        const options = { endpoint, token, WebSocket, timeoutMs: CONNECT_MS, closeAfterMs: CLOSE_AFTER_MS };
        const connection: MuxConnection = new code.MuxConnection(options, {
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
      // Neither the platform's WebSocket nor code that could not be loaded may fail a call that HTTP can make.
      this.#refused();
      return undefined;
    }
  }

  #refused(): void {
    const refusedMs = REFUSED_MS * 2 ** Math.min(this.#refusals++, REFUSED_DOUBLINGS_MAX);
    this.#notBeforeMs = performance.now() + (this.#wasOpen ? AWAY_MS : refusedMs);
  }
}
