/**
 * A tab that is served by another one of its profile, which has the member. Its calls travel as protobuf over one
 * connection with many streams. One that reads often has a copy of the keys (copied-reads.ts).
 *
 * When the connection is lost, a call of which nothing was sent, or which only reads, is repeated by the caller of these
 * services (NotSentError). A write may have taken effect, and fails with Unavailable, which says so.
 */
import { iterableSource } from "../../client/common/iterable-source.ts";
import { NotSentError } from "../../client/common/transport-errors.ts";
import { MuxConnection } from "../../client/mux/mux-connection.ts";
import type { MuxCall } from "../../client/mux/mux-connection.ts";
import type { CallContext, MemberView, Services } from "../../member/api/services.ts";
import { rangeRequest } from "../../protocol/api/kv.ts";
import type { RangeResponse } from "../../protocol/api/kv.ts";
import { RPCS } from "../../protocol/api/rpc/rpc-table.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import { CopiedReads } from "./copied-reads.ts";
import { roomNews } from "./room-news.ts";
import type { RoomNews, TabRequest } from "./room-news.ts";
import { TabSocket } from "./tab-socket.ts";

export interface ServedTabOptions {
  readonly channel: string;
  readonly onOpen: (services: Services) => void;
  readonly onNews: (news: RoomNews) => void;
  /** Called once, unless this side closed it. */
  readonly onLost: () => void;
}

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;

/** Nearly all responses; the parts of a streamed range have it within. */
interface WithHeader {
  readonly header?: ResponseHeader;
  readonly rangeResponse?: RangeResponse;
}

/** The other tab may have to load the code first. */
const OPEN_WITHIN_MS = 5_000;
/** News that are older, in ms, are asked for again. */
const NEWS_FRESH_MS = 200;
/** The same while the other tab tells by itself what is new; one of an earlier version does not. */
const FOLLOWED_FRESH_MS = 2_000;
/** Within what a timer can wait. Locks tell when the other tab is gone. */
const NEVER_MS = 2 ** 30;
/** A store of more bytes, with its history, is not worth the attempt to copy its keys. */
const LARGE_BYTES = 64 * 1024 * 1024;
const NO_CONTEXT: CallContext = { token: "", requireLeader: false };
const AUTH = RPCS.auth.authEnable.service;
const UNKNOWN_OUTCOME =
  "the tab that served this one is gone, and it is not known whether this call took effect; look before it is repeated";

export class ServedTab {
  readonly #options: ServedTabOptions;
  readonly #connection: MuxConnection;
  readonly #reads: CopiedReads;
  #socket: TabSocket | undefined;
  #isOver = false;
  #askedMs: number = Number.NEGATIVE_INFINITY;
  #view: MemberView | undefined;
  #isFollowing = false;
  /** Who waits for the next news. */
  #lookers: ((view: MemberView | undefined) => void)[] = [];

  constructor(options: ServedTabOptions) {
    this.#options = options;
    const opened = (socket: TabSocket): void => {
      this.#socket = socket;
    };
    const onOther = (data: unknown): void => this.#told(data);
    this.#reads = new CopiedReads({
      range: (request, context) => this.#call(RPCS.kv.range, request, context) as Promise<RangeResponse>,
      watch: (context) => this.#open(RPCS.watch.watch, context),
      nowMs: () => performance.now(),
      isLarge: () => (this.#view?.dbSizeBytes ?? 0) > LARGE_BYTES,
    });
    this.#connection = new MuxConnection(
      {
        endpoint: "the tab that serves this one",
        timeoutMs: OPEN_WITHIN_MS,
        pingEveryMs: NEVER_MS,
        closeAfterMs: NEVER_MS,
        WebSocket: class extends TabSocket {
          constructor() {
            super(options.channel, onOther);
            opened(this);
          }
        },
      },
      { onOpen: () => this.#opening(), onOver: () => this.#over() },
    );
  }

  /** Asks for news when the last are old. */
  refresh(): void {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < (this.#isFollowing ? FOLLOWED_FRESH_MS : NEWS_FRESH_MS)) return;
    this.#askedMs = nowMs;
    this.ask("look");
  }

  /** Whether news of the member's numbers are wanted whenever they change. */
  follow(isFollowing: boolean): void {
    if (isFollowing === this.#isFollowing) return;
    this.#isFollowing = isFollowing;
    this.ask(isFollowing ? "follow" : "unfollow");
  }

  ask(request: TabRequest): void {
    this.#socket?.tell(request);
  }

  close(): void {
    this.#isOver = true;
    this.#reads.close();
    this.#connection.close();
  }

  #opening(): void {
    // What was asked before nobody heard.
    if (this.#isFollowing) this.ask("follow");
    this.#options.onOpen(this.#services());
  }

  #over(): void {
    const { onLost } = this.#options;
    this.#reads.close();
    for (const looker of this.#lookers.splice(0)) looker(undefined);
    if (this.#isOver) return;
    this.#isOver = true;
    onLost();
  }

  #told(data: unknown): void {
    const news = this.#isOver ? undefined : roomNews(data);
    if (news === undefined) return;
    this.#askedMs = performance.now();
    this.#view = news.view;
    this.#options.onNews(news);
    for (const looker of this.#lookers.splice(0)) looker(news.view);
  }

  #services(): Services {
    const { kv, lease, lock, election, auth, cluster, maintenance } = RPCS;
    const observe = (message: unknown, context: CallContext): MuxCall<unknown, unknown> =>
      this.#opened(election.observe, message, context);
    return {
      kv: { ...this.#service("kv", kv), range: (request, context) => this.#reads.range(request, context) },
      watch: { watch: (context) => this.#open(RPCS.watch.watch, context) },
      lease: this.#service("lease", lease),
      lock: this.#service("lock", lock),
      election: { ...this.#service("election", election), observe: observe as Services["election"]["observe"] },
      auth: this.#service("auth", auth),
      cluster: this.#service("cluster", cluster),
      maintenance: this.#service("maintenance", maintenance),
      health: {
        check: ({ serializable }) => this.#failureOfRead(serializable),
        probe: async (_kind, names = ["serializable_read"]) => {
          const failure = await this.#failureOfRead(names.every((name) => name === "serializable_read"));
          return names.map((name) => ({ name, failure }));
        },
        metrics: () => [],
      },
      inspect: { view: () => this.#viewNow() },
    };
  }

  async #failureOfRead(serializable: boolean): Promise<string | undefined> {
    const read = rangeRequest({ key: new Uint8Array(1), countOnly: true, serializable });
    try {
      await this.#call(RPCS.kv.range, read, NO_CONTEXT);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #viewNow(): Promise<MemberView> {
    const view = await new Promise<MemberView | undefined>((resolve) => {
      this.#lookers.push(resolve);
      this.ask("look");
    });
    if (view === undefined) throw new NotSentError("the tab that serves this one has no member yet");
    return view;
  }

  /** The compiler compares table and services in member/api/table-services.ts. */
  #service<Name extends keyof RpcTable>(_name: Name, rpcs: RpcTable[Name]): Services[Name] {
    const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
    return Object.fromEntries(methods.map(([name, rpc]) => [name, this.#method(rpc)])) as object as Services[Name];
  }

  #method(rpc: AnyRpc): AnyMethod {
    if (rpc.kind !== "serverStream") return (message, context) => this.#call(rpc, message, context);
    return (message, context) => {
      const stream = this.#opened(rpc, message, context);
      return iterableSource(
        () => stream.next(),
        () => stream.close(),
      );
    };
  }

  #opened(rpc: AnyRpc, message: unknown, context: CallContext): MuxCall<unknown, unknown> {
    const stream = this.#open(rpc, context);
    stream.request(message);
    return stream;
  }

  #open<Request, Response>(rpc: Rpc<Request, Response, RpcKind>, context: CallContext): MuxCall<Request, Response> {
    if (this.#connection.canOpen) return this.#noting(this.#connection.open(rpc, context));
    return { request: () => {}, next: () => Promise.reject(goneError()), close: () => {} };
  }

  #noting<Request, Response>(stream: MuxCall<Request, Response>): MuxCall<Request, Response> {
    const next = async (): Promise<Response | undefined> => {
      const response = await stream.next();
      this.#note(response);
      return response;
    };
    return { request: (message) => stream.request(message), next, close: () => stream.close() };
  }

  /** Later reads see at least the revision that this tab was told. */
  #note(response: unknown): void {
    const { header, rangeResponse } = (response ?? {}) as WithHeader;
    const told = header ?? rangeResponse?.header;
    if (told !== undefined) this.#reads.noted(told);
  }

  async #call(rpc: AnyRpc, message: unknown, context: CallContext): Promise<unknown> {
    if (!this.#connection.canOpen) throw goneError();
    try {
      const response = await this.#connection.call(rpc, message, context, { leftMs: Infinity, timeoutMs: Infinity });
      this.#note(response);
      // Who may read has changed.
      if (rpc.service === AUTH) this.#reads.drop();
      return response;
    } catch (error) {
      const isLost = !this.#connection.canOpen && error instanceof EtcdError && error.code === GrpcCode.Unavailable;
      if (!isLost || error instanceof NotSentError) throw error;
      throw rpc.isRead === true
        ? new NotSentError(error.message)
        : new EtcdError(GrpcCode.Unavailable, UNKNOWN_OUTCOME);
    }
  }
}

function goneError(): NotSentError {
  return new NotSentError("the tab that served this one is gone");
}
