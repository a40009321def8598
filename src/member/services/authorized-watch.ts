/**
 * A watch stream that shows its caller only what the caller may read. etcd checks when a watch is created and never
 * again. Here a watch whose caller has lost its permission is cancelled at the next event that it would have received.
 */
import { assert } from "../../base/assert.ts";
import { NOBODY } from "../../auth/auth-store.ts";
import type { Caller } from "../../auth/auth-store.ts";
import type { KeySpec } from "../../auth/key-union.ts";
import { EtcdError, rpcErrorText } from "../../protocol/errors.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { Authorizer } from "./authorizer.ts";
import type { CallContext, WatchPosition, WatchStream } from "../api/services.ts";
import type { RefusingStream } from "./watch-streams.ts";

interface Watched {
  readonly username: string;
  readonly keys: KeySpec;
}

/** Requests that wait until a token is verified. No etcd client sends more. */
const WAITING_MAX = 1_000;

export class AuthorizedWatchStream implements WatchStream {
  readonly #stream: RefusingStream;
  readonly #access: Authorizer;
  readonly #context: CallContext;
  /** Requests for watches without a response. Each gets one response, in order. */
  readonly #pendingCreates: (Watched | undefined)[] = [];
  readonly #watched: Map<number, Watched> = new Map();
  /** Cancelled here. What the member still returns for them is dropped. */
  readonly #revoked: Set<number> = new Set();
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(stream: RefusingStream, access: Authorizer, context: CallContext) {
    this.#stream = stream;
    this.#access = access;
    this.#context = context;
  }

  request(request: WatchRequest): void {
    // Without a token there is nothing to await, and the stream costs no more than the member's.
    if (this.#waiting === 0 && (request.type !== "create" || this.#context.token === "")) {
      if (request.type === "create") this.#createNameless(request.create);
      else this.#stream.request(request);
      return;
    }
    if (this.#waiting >= WAITING_MAX) return this.close();
    this.#waiting += 1;
    this.#turn = this.#turn.then(() => this.#later(request));
  }

  async next(): Promise<WatchResponse | undefined> {
    for (;;) {
      const response = await this.#stream.next();
      if (response === undefined) return undefined;
      const shown = this.#shown(response);
      if (shown !== undefined) return shown;
    }
  }

  close(): void {
    this.#stream.close();
  }

  position(): WatchPosition | undefined {
    if (this.#waiting > 0 || this.#pendingCreates.length > 0 || this.#revoked.size > 0) return undefined;
    const position = this.#stream.position();
    if (position === undefined) return undefined;
    const usernames = position.watches.map(({ watchId }) => this.#watched.get(watchId)?.username ?? "");
    return { ...position, usernames };
  }

  /** The stream below goes on with these watches. They belong to the users that created them. */
  resume({ watches, usernames }: WatchPosition): void {
    for (const [at, request] of watches.entries()) {
      this.#watched.set(request.watchId, { username: usernames[at] ?? "", keys: keysOf(request) });
    }
  }

  async #later(request: WatchRequest): Promise<void> {
    try {
      if (request.type !== "create") this.#stream.request(request);
      else this.#create(request.create, await this.#callerOf(request.create));
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** etcd checks the revision first, then the token. */
  #callerOf(request: WatchCreateRequest): Caller | Promise<Caller> {
    return request.startRevision < 0 ? NOBODY : this.#access.caller(this.#context);
  }

  #createNameless(request: WatchCreateRequest): void {
    let caller: Caller;
    try {
      caller = this.#access.caller(this.#context) as Caller;
    } catch (error) {
      return this.#refuse(error);
    }
    this.#create(request, caller);
  }

  #create(request: WatchCreateRequest, caller: Caller): void {
    const keys = keysOf(request);
    try {
      if (request.startRevision >= 0) this.#access.auth.checkRead(caller, keys);
    } catch (error) {
      return this.#refuse(error);
    }
    this.#pendingCreates.push({ username: caller.username, keys });
    this.#stream.request({ type: "create", create: request });
  }

  #refuse(error: unknown): void {
    this.#pendingCreates.push(undefined);
    this.#stream.refuse(reasonOf(error));
  }

  #shown(response: WatchResponse): WatchResponse | undefined {
    const { watchId } = response;
    if (response.created) {
      assert(this.#pendingCreates.length > 0, "a watch is created only on request");
      const watched = this.#pendingCreates.shift();
      if (watched !== undefined && !response.canceled) {
        this.#watched.set(watchId, watched);
        this.#revoked.delete(watchId);
      }
      return response;
    }
    if (this.#revoked.has(watchId)) {
      if (response.canceled) this.#revoked.delete(watchId);
      return undefined;
    }
    if (response.canceled) this.#watched.delete(watchId);
    if (response.events.length === 0) return response;
    const reason = this.#reasonToRevoke(watchId);
    return reason === undefined ? response : this.#revoke(response, reason);
  }

  #reasonToRevoke(watchId: number): string | undefined {
    const { auth } = this.#access;
    const watched = this.#watched.get(watchId);
    if (!auth.enabled || watched === undefined) return undefined;
    try {
      // A caller that started watching before auth was enabled has no name, and may not continue without one.
      auth.checkRead(
        { username: watched.username, revision: watched.username === "" ? 0 : auth.revision },
        watched.keys,
      );
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  #revoke(response: WatchResponse, cancelReason: string): WatchResponse {
    const { watchId, header } = response;
    this.#watched.delete(watchId);
    this.#revoked.add(watchId);
    this.#stream.request({ type: "cancel", cancel: { watchId } });
    return {
      header,
      watchId,
      created: false,
      canceled: true,
      compactRevision: 0,
      cancelReason,
      fragment: false,
      events: [],
    };
  }
}

/** An empty key means the smallest key. */
function keysOf({ key, rangeEnd }: WatchCreateRequest): KeySpec {
  return { key: key.length === 0 ? Uint8Array.of(0) : key, rangeEnd };
}

/** Any error but an EtcdError is a bug. It must not grant access, so it is thrown again. */
function reasonOf(error: unknown): string {
  if (error instanceof EtcdError) return rpcErrorText(error);
  throw error;
}
