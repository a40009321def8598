/**
 * Calls services in the name of a user. A token is fetched before the first call and sent with each call. When the
 * server rejects it, a new one is fetched once, as etcd's own client does. Where auth is disabled, no token is sent.
 */
import type {
  AuthService,
  CallContext,
  ElectionService,
  LeaderStream,
  Services,
  WatchService,
  WatchStream,
} from "../../member/api/services.ts";
import {
  EtcdError,
  errAuthNotEnabled,
  errAuthOldRevision,
  errInvalidAuthToken,
  errUserEmpty,
  GrpcCode,
  rpcErrorText,
} from "../../protocol/errors.ts";
import type { LeaderRequest, LeaderResponse } from "../../protocol/api/election.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";

/** Name and password of a user. */
export interface User {
  readonly name: string;
  readonly password: string;
}

/** Errors that a new token may resolve. */
const STALE: readonly EtcdError[] = [errInvalidAuthToken, errAuthOldRevision, errUserEmpty];
const STALE_TEXTS: ReadonlySet<string> = new Set(STALE.map(({ message }) => message));
const STALE_REASONS: ReadonlySet<string> = new Set(STALE.map(rpcErrorText));

type Method = (request: unknown, context: CallContext) => Promise<unknown>;

export function authenticated(services: Services, user: User): Services {
  const session = new Session(services.auth, user);
  const { kv, watch, lease, lock, election, auth, cluster, maintenance, health, inspect } = services;
  return {
    kv: named(kv, session, {
      rangeStream: (request, context) => session.stream(context, (signed) => kv.rangeStream(request, signed)),
    }),
    watch: watchOf(watch, session),
    lease: named(lease, session),
    lock: named(lock, session),
    election: named(election, session, {
      observe: (request, context) => new NamedObservation(election, session, request, context),
    }),
    auth: named(auth, session, {
      // Open to all callers, and called before there is a token.
      authStatus: (request, context) => auth.authStatus(request, context),
      authenticate: (request, context) => auth.authenticate(request, context),
    }),
    cluster: named(cluster, session),
    maintenance: named(maintenance, session, {
      snapshot: (request, context) => session.stream(context, (signed) => maintenance.snapshot(request, signed)),
    }),
    health,
    inspect,
  };
}

class Session {
  readonly #auth: AuthService;
  readonly #user: User;
  /** The last token, or a pending request for one. Empty: auth is disabled. */
  #token: Promise<string> | undefined;

  constructor(auth: AuthService, user: User) {
    this.#auth = auth;
    this.#user = user;
  }

  async call<R>(context: CallContext, run: (named: CallContext) => Promise<R>): Promise<R> {
    // The caller passed its own token.
    if (context.token !== "") return run(context);
    const token = await this.token(context);
    try {
      return await run({ ...context, token });
    } catch (error) {
      if (!(error instanceof EtcdError) || !STALE_TEXTS.has(error.message)) throw error;
      return run({ ...context, token: await this.renewed(token, context) });
    }
  }

  /** Opens the stream again with a new token, unless a part of it has been yielded. */
  async *stream<R>(context: CallContext, open: (named: CallContext) => AsyncIterable<R>): AsyncGenerator<R> {
    if (context.token !== "") return yield* open(context);
    const token = await this.token(context);
    let hasBegun = false;
    try {
      for await (const part of open({ ...context, token })) {
        hasBegun = true;
        yield part;
      }
    } catch (error) {
      if (hasBegun || !(error instanceof EtcdError) || !STALE_TEXTS.has(error.message)) throw error;
      yield* open({ ...context, token: await this.renewed(token, context) });
    }
  }

  token(context: CallContext): Promise<string> {
    this.#token ??= this.#fetch(context);
    return this.#token;
  }

  /** Many calls notice at once that a token is stale. One of them fetches the next. */
  async renewed(stale: string, context: CallContext): Promise<string> {
    if ((await this.token(context)) === stale) this.#token = undefined;
    return this.token(context);
  }

  async #fetch({ requireLeader }: CallContext): Promise<string> {
    try {
      const { name, password } = this.#user;
      return (await this.#auth.authenticate({ name, password }, { token: "", requireLeader })).token;
    } catch (error) {
      if (error instanceof EtcdError && error.message === errAuthNotEnabled.message) return "";
      this.#token = undefined;
      throw error;
    }
  }
}

/** Calls each method in the user's name, except those in `given`. */
function named<Service extends object>(service: Service, session: Session, given: Partial<Service> = {}): Service {
  return new Proxy(service, {
    get: (target, name) => {
      const own = Reflect.get(given, name) as unknown;
      if (own !== undefined) return own;
      const method = Reflect.get(target, name) as Method | undefined;
      // `await` on a service looks for a `then` method.
      if (method === undefined) return undefined;
      return (request: unknown, context: CallContext): unknown =>
        session.call(context, (signed) => method.call(target, request, signed));
    },
  });
}

function watchOf(watch: WatchService, session: Session): WatchService {
  return {
    watch: (context) => (context.token === "" ? new NamedWatchStream(watch, session, context) : watch.watch(context)),
  };
}

/** Opens its stream when the token has arrived. */
class NamedWatchStream implements WatchStream {
  readonly #session: Session;
  readonly #context: CallContext;
  readonly #opened: Promise<WatchStream>;
  #stream: WatchStream | undefined;
  #token = "";
  #unsent: WatchRequest[] = [];
  #isClosed = false;

  constructor(watch: WatchService, session: Session, context: CallContext) {
    this.#session = session;
    this.#context = context;
    this.#opened = this.#open(watch);
    // next() reports the error.
    this.#opened.catch(() => {});
  }

  request(request: WatchRequest): void {
    if (this.#stream === undefined) this.#unsent.push(request);
    else this.#stream.request(request);
  }

  async next(): Promise<WatchResponse | undefined> {
    const stream = await this.#opened;
    if (this.#isClosed) return undefined;
    const response = await stream.next();
    if (response === undefined || !response.canceled || !STALE_REASONS.has(response.cancelReason)) return response;
    // The watcher reconnects with a new stream, which sends the new token.
    await this.#session.renewed(this.#token, this.#context);
    throw new EtcdError(GrpcCode.Unavailable, response.cancelReason);
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  async #open(watch: WatchService): Promise<WatchStream> {
    this.#token = await this.#session.token(this.#context);
    const stream = watch.watch({ ...this.#context, token: this.#token });
    if (this.#isClosed) stream.close();
    this.#stream = stream;
    for (const request of this.#unsent) stream.request(request);
    this.#unsent = [];
    return stream;
  }
}

class NamedObservation implements LeaderStream {
  readonly #open: () => Promise<LeaderStream>;
  #stream: LeaderStream | undefined;
  #isClosed = false;

  constructor(election: ElectionService, session: Session, request: LeaderRequest, context: CallContext) {
    this.#open = async () => {
      const token = context.token === "" ? await session.token(context) : context.token;
      return election.observe(request, { ...context, token });
    };
  }

  async next(): Promise<LeaderResponse | undefined> {
    this.#stream ??= await this.#open();
    if (this.#isClosed) this.#stream.close();
    return this.#stream.next();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }
}
