/**
 * The shared WebSocket of a client before it is needed. Nobody waits for it but a watch: calls go over HTTP until it is
 * open, and whenever it is refused, lost or full. It is opened for a watch, for a call that may wait long, and for the
 * second call within a second. Its code is loaded then.
 */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { MuxConnection } from "../mux/mux-connection.ts";
import type { SharedSocket, SharedSocketOptions } from "./shared-socket.ts";

/** Calls within this time of each other are worth a socket. */
const FREQUENT_MS = 1_000;

export class LazySocket {
  readonly #load: () => Promise<SharedSocket>;
  #socket: SharedSocket | undefined;
  #lastCallMs = -Infinity;
  #isClosed = false;

  constructor(options: SharedSocketOptions) {
    this.#load = loadedOnce(async () => {
      const code = await import("./shared-socket.ts");
      const socket = new code.SharedSocket(options);
      if (this.#isClosed) socket.close();
      return (this.#socket = socket);
    });
  }

  /** Returns the open socket for a call to make now, or undefined: then the call goes over HTTP. */
  forCall(isPatient: boolean): MuxConnection | undefined {
    const nowMs = performance.now();
    const isFrequent = nowMs - this.#lastCallMs < FREQUENT_MS;
    this.#lastCallMs = nowMs;
    const free = this.#socket?.free;
    if (free === undefined && (isFrequent || isPatient)) void this.opened();
    return free;
  }

  /** Opens the socket if it is not open. Returns undefined if it cannot be had now. Does not reject. */
  async opened(): Promise<MuxConnection | undefined> {
    try {
      return await (await this.#load()).opened();
    } catch {
      // Code that could not be loaded may not fail a call that HTTP can make.
      return undefined;
    }
  }

  /** What is under way ends in its own time. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
  }
}
