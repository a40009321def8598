/**
 * State of the connection to an endpoint, derived from the outcomes of its requests and sockets; or of a room's member, which
 * sets it. Sends nothing itself.
 */
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import type { WebSocketConstructor, WebSocketLike } from "../common/web-socket-like.ts";
import { Store } from "../common/store.ts";

/** State of a connection. Reads and writes are served while it is "connected"; "idle" means that nothing was asked yet. */
export type ConnectionState =
  /** No request has completed yet. */
  | "idle"
  /** A room: this tab is on its way to being a member. */
  | "joining"
  | "connected"
  /** A room: this tab was away, and gets what it missed. Serializable reads are served, from a copy as of `since`. */
  | "catching-up"
  /** The endpoint responds with 502, 503 or 504: it cannot serve. In a room: only serializable reads are served. */
  | "unavailable"
  /** The endpoint does not respond. */
  | "disconnected"
  /** A room: this tab's member has stopped for good. */
  | "stopped"
  | "closed";

/** What is true of the connection at one moment. The object is replaced, never changed. */
export interface ConnectionSnapshot {
  readonly state: ConnectionState;
  /** A message for users; empty while connected. */
  readonly reason: string;
  /**
   * Milliseconds since 1970 when `state` last changed. A room that is unavailable or catching up: when this tab's copy was
   * last known to be current.
   */
  readonly since: number;
  /** A room: another tab of this browser profile has the member, and serves this one. */
  readonly isServedByTab?: boolean;
}

export class Connection {
  readonly #store: Store<ConnectionSnapshot> = new Store({ state: "idle", reason: "", since: Date.now() });
  readonly getSnapshot: () => ConnectionSnapshot = this.#store.getSnapshot;
  readonly subscribe: (listener: () => void) => () => void = this.#store.subscribe;

  /** Returns a `fetch` that records its outcomes here. */
  observeFetch(send: typeof fetch): typeof fetch {
    return async (input, init) => {
      try {
        const response = await send(input, init);
        const { status } = response;
        if (status >= 502 && status <= 504) {
          this.set("unavailable", `the endpoint responds with ${status}`);
        } else this.set("connected", "");
        return response;
      } catch (error) {
        // A fetch rejects with an Error, or with the reason of the signal, which is one here.
        // That the caller aborted this call says nothing about the endpoint. That its time has passed does: an EtcdError.
        if (error instanceof EtcdError || init?.signal?.aborted !== true)
          this.set("disconnected", (error as Error).message);
        throw error;
      }
    };
  }

  /** Records the outcome of a call that was not a request of its own. */
  readonly observeOutcome: (error: EtcdError | undefined) => void = (error) => {
    // The connection's own end is an event of its socket. Other errors are responses.
    if (error?.code === GrpcCode.Unavailable) this.set("unavailable", `the endpoint responds: ${error.message}`);
    else this.set("connected", "");
  };

  /**
   * Returns a WebSocket class that records opened and lost connections here. One that was refused says nothing: HTTP is
   * used instead, and its outcomes tell more.
   */
  observeWebSocket(Socket: WebSocketConstructor): WebSocketConstructor {
    const note = (socket: WebSocketLike): void => {
      let isClosedByUs = false;
      let wasOpen = false;
      const close = socket.close.bind(socket);
      socket.close = () => {
        isClosedByUs = true;
        close();
      };
      socket.addEventListener("open", () => {
        wasOpen = true;
        this.set("connected", "");
      });
      const lost = (): void => {
        if (wasOpen && !isClosedByUs) this.set("disconnected", "the connection was lost");
      };
      // Whoever uses the socket closes it after an "error", and the "close" that follows would pass as its own.
      socket.addEventListener("error", lost);
      socket.addEventListener("close", lost);
    };
    return class extends Socket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        note(this);
      }
    };
  }

  close(): void {
    this.set("closed", "the client is closed");
  }

  /** Does nothing once the client is closed. Default of `since`: now, if the state changes. */
  set(state: ConnectionState, reason: string, since?: number, isServedByTab = false): void {
    const before = this.getSnapshot();
    const from = since ?? (before.state === state ? before.since : Date.now());
    const isSame = before.state === state && before.reason === reason && before.since === from;
    if (before.state === "closed" || (isSame && (before.isServedByTab ?? false) === isServedByTab)) return;
    this.#store.set({ state, reason, since: from, ...(isServedByTab ? { isServedByTab } : {}) });
  }
}
