/**
 * Services in the name of a user: a token is fetched before the first call, sent with each, and fetched anew once when
 * the server does not take it any more, as etcd's own client does. Where auth is off, nothing is sent.
 */
import type {
  AuthService,
  CallContext,
  ClusterService,
  ElectionService,
  KvService,
  LeaderStream,
  LeaseService,
  MaintenanceService,
  Services,
  WatchService,
  WatchStream,
} from "../member/services.ts";
import {
  EtcdError,
  errAuthNotEnabled,
  errAuthOldRevision,
  errInvalidAuthToken,
  errUserEmpty,
  GrpcCode,
  rpcErrorText,
} from "../protocol/errors.ts";
import type { LeaderRequest, LeaderResponse } from "../protocol/election.ts";
import type { WatchRequest, WatchResponse } from "../protocol/watch.ts";

export interface User {
  readonly name: string;
  readonly password: string;
}

/** What a fresh token may mend. */
const STALE: readonly EtcdError[] = [errInvalidAuthToken, errAuthOldRevision, errUserEmpty];
const STALE_TEXTS: ReadonlySet<string> = new Set(STALE.map(({ message }) => message));
const STALE_REASONS: ReadonlySet<string> = new Set(STALE.map(rpcErrorText));

type Method<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;
type Wrap = <Request, Response>(method: Method<Request, Response>) => Method<Request, Response>;

export function authenticated(services: Services, user: User): Services {
  const session = new Session(services.auth, user);
  const wrap: Wrap = (method) => (request, context) => session.call(context, (named) => method(request, named));
  const { lock } = services;
  return {
    kv: kvOf(services.kv, wrap, session),
    watch: watchOf(services.watch, session),
    lease: leaseOf(services.lease, wrap),
    lock: {
      lock: wrap((request, context) => lock.lock(request, context)),
      unlock: wrap((request, context) => lock.unlock(request, context)),
    },
    election: electionOf(services.election, wrap, session),
    auth: authOf(services.auth, wrap),
    cluster: clusterOf(services.cluster, wrap),
    maintenance: maintenanceOf(services.maintenance, wrap, session),
    health: services.health,
    inspect: services.inspect,
  };
}

class Session {
  readonly #auth: AuthService;
  readonly #user: User;
  /** The last token, or the one that is on its way. Empty: auth is off. */
  #token: Promise<string> | undefined;

  constructor(auth: AuthService, user: User) {
    this.#auth = auth;
    this.#user = user;
  }

  async call<R>(context: CallContext, run: (named: CallContext) => Promise<R>): Promise<R> {
    // Whoever brings a token of its own knows best.
    if (context.token !== "") return run(context);
    const token = await this.token(context);
    try {
      return await run({ ...context, token });
    } catch (error) {
      if (!(error instanceof EtcdError) || !STALE_TEXTS.has(error.message)) throw error;
      return run({ ...context, token: await this.renewed(token, context) });
    }
  }

  /** Begun once more with a fresh token, unless some of it has come. */
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

  /** Many calls find out at once that a token is stale; one of them fetches the next. */
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

function kvOf(kv: KvService, wrap: Wrap, session: Session): KvService {
  return {
    range: wrap((request, context) => kv.range(request, context)),
    rangeStream: (request, context) => session.stream(context, (named) => kv.rangeStream(request, named)),
    put: wrap((request, context) => kv.put(request, context)),
    deleteRange: wrap((request, context) => kv.deleteRange(request, context)),
    txn: wrap((request, context) => kv.txn(request, context)),
    compact: wrap((request, context) => kv.compact(request, context)),
  };
}

function clusterOf(cluster: ClusterService, wrap: Wrap): ClusterService {
  return {
    memberAdd: wrap((request, context) => cluster.memberAdd(request, context)),
    memberRemove: wrap((request, context) => cluster.memberRemove(request, context)),
    memberUpdate: wrap((request, context) => cluster.memberUpdate(request, context)),
    memberList: wrap((request, context) => cluster.memberList(request, context)),
    memberPromote: wrap((request, context) => cluster.memberPromote(request, context)),
  };
}

function maintenanceOf(maintenance: MaintenanceService, wrap: Wrap, session: Session): MaintenanceService {
  return {
    alarm: wrap((request, context) => maintenance.alarm(request, context)),
    status: wrap((request, context) => maintenance.status(request, context)),
    defragment: wrap((request, context) => maintenance.defragment(request, context)),
    hash: wrap((request, context) => maintenance.hash(request, context)),
    hashKv: wrap((request, context) => maintenance.hashKv(request, context)),
    snapshot: (request, context) => session.stream(context, (named) => maintenance.snapshot(request, named)),
    moveLeader: wrap((request, context) => maintenance.moveLeader(request, context)),
    downgrade: wrap((request, context) => maintenance.downgrade(request, context)),
  };
}

function leaseOf(lease: LeaseService, wrap: Wrap): LeaseService {
  return {
    grant: wrap((request, context) => lease.grant(request, context)),
    revoke: wrap((request, context) => lease.revoke(request, context)),
    keepAlive: wrap((request, context) => lease.keepAlive(request, context)),
    timeToLive: wrap((request, context) => lease.timeToLive(request, context)),
    leases: wrap((request, context) => lease.leases(request, context)),
  };
}

function electionOf(election: ElectionService, wrap: Wrap, session: Session): ElectionService {
  return {
    campaign: wrap((request, context) => election.campaign(request, context)),
    proclaim: wrap((request, context) => election.proclaim(request, context)),
    leader: wrap((request, context) => election.leader(request, context)),
    resign: wrap((request, context) => election.resign(request, context)),
    observe: (request, context) => new NamedObservation(election, session, request, context),
  };
}

function authOf(auth: AuthService, wrap: Wrap): AuthService {
  return {
    authEnable: wrap((request, context) => auth.authEnable(request, context)),
    authDisable: wrap((request, context) => auth.authDisable(request, context)),
    // Open to everybody, and what is asked before there is a token.
    authStatus: (request, context) => auth.authStatus(request, context),
    authenticate: (request, context) => auth.authenticate(request, context),
    userAdd: wrap((request, context) => auth.userAdd(request, context)),
    userGet: wrap((request, context) => auth.userGet(request, context)),
    userList: wrap((request, context) => auth.userList(request, context)),
    userDelete: wrap((request, context) => auth.userDelete(request, context)),
    userChangePassword: wrap((request, context) => auth.userChangePassword(request, context)),
    userGrantRole: wrap((request, context) => auth.userGrantRole(request, context)),
    userRevokeRole: wrap((request, context) => auth.userRevokeRole(request, context)),
    roleAdd: wrap((request, context) => auth.roleAdd(request, context)),
    roleGet: wrap((request, context) => auth.roleGet(request, context)),
    roleList: wrap((request, context) => auth.roleList(request, context)),
    roleDelete: wrap((request, context) => auth.roleDelete(request, context)),
    roleGrantPermission: wrap((request, context) => auth.roleGrantPermission(request, context)),
    roleRevokePermission: wrap((request, context) => auth.roleRevokePermission(request, context)),
  };
}

function watchOf(watch: WatchService, session: Session): WatchService {
  return {
    watch: (context) => (context.token === "" ? new NamedWatchStream(watch, session, context) : watch.watch(context)),
  };
}

/** Opens its stream when the token is there. */
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
    // Told by next().
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
    // The watch goes on over a new stream, which brings the new token.
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
