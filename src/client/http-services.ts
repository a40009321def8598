/**
 * A member behind HTTP, as `Services`: etcd's JSON API, so a real etcd will do as well.
 *
 * Beyond etcd's API stand `inspect`, which reads `GET {endpoint}/quorate/status` and without which the client does where
 * it is missing, and `rangeStream`, for which etcd's gateway has no path. Reads are repeated while the server is unavailable, writes never, unless they surely did not leave.
 */
import type {
  CallContext,
  ClusterService,
  LeaderStream,
  MaintenanceService,
  MemberView,
  Services,
} from "../member/services.ts";
import {
  memberAddRequestSchema,
  memberAddResponseSchema,
  memberListRequestSchema,
  memberListResponseSchema,
  memberPromoteRequestSchema,
  memberPromoteResponseSchema,
  memberRemoveRequestSchema,
  memberRemoveResponseSchema,
  memberUpdateRequestSchema,
  memberUpdateResponseSchema,
} from "../protocol/cluster-schema.ts";
import {
  campaignRequestSchema,
  campaignResponseSchema,
  leaderRequestSchema,
  leaderResponseSchema,
  proclaimRequestSchema,
  proclaimResponseSchema,
  resignRequestSchema,
  resignResponseSchema,
} from "../protocol/election-schema.ts";
import type { LeaderRequest } from "../protocol/election.ts";
import { encodeJson } from "../protocol/json-encode.ts";
import {
  compactionRequestSchema,
  compactionResponseSchema,
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  rangeStreamResponseSchema,
  txnRequestSchema,
  txnResponseSchema,
} from "../protocol/kv-schema.ts";
import {
  leaseGrantRequestSchema,
  leaseGrantResponseSchema,
  leaseKeepAliveRequestSchema,
  leaseKeepAliveResponseSchema,
  leaseLeasesRequestSchema,
  leaseLeasesResponseSchema,
  leaseRevokeRequestSchema,
  leaseRevokeResponseSchema,
  leaseTimeToLiveRequestSchema,
  leaseTimeToLiveResponseSchema,
} from "../protocol/lease-schema.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/lease.ts";
import {
  lockRequestSchema,
  lockResponseSchema,
  unlockRequestSchema,
  unlockResponseSchema,
} from "../protocol/lock-schema.ts";
import {
  alarmRequestSchema,
  alarmResponseSchema,
  defragmentRequestSchema,
  defragmentResponseSchema,
  downgradeRequestSchema,
  downgradeResponseSchema,
  hashKvRequestSchema,
  hashKvResponseSchema,
  hashRequestSchema,
  hashResponseSchema,
  moveLeaderRequestSchema,
  moveLeaderResponseSchema,
  snapshotRequestSchema,
  snapshotResponseSchema,
  statusRequestSchema,
  statusResponseSchema,
} from "../protocol/maintenance-schema.ts";
import type { Schema } from "../protocol/schema.ts";
import { httpAuth } from "./http-auth.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import { foreignAnswerError, parseJson } from "./http-errors.ts";
import { httpHealth } from "./http-health.ts";
import { HttpLines } from "./http-lines.ts";
import { HttpWatchStream } from "./http-watch.ts";
import { answerOf, lineOf } from "./json-messages.ts";
import { WebSocketWatchStream } from "./websocket-watch.ts";
import type { WebSocketConstructor } from "./websocket-watch.ts";

export interface HttpServicesOptions extends HttpOptions {
  /** With it, watches go over WebSocket, both ways at once; without, over an HTTP answer that does not end. */
  readonly WebSocket?: WebSocketConstructor;
}

interface MethodOptions {
  readonly isRead?: boolean;
  readonly isPatient?: boolean;
}

type Method<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

type MakeMethod = <Request, Response>(
  path: string,
  request: Schema<Request>,
  response: Schema<Response>,
  options?: MethodOptions,
) => Method<Request, Response>;

type MakeStream = <Request, Response>(
  path: string,
  request: Schema<Request>,
  response: Schema<Response>,
) => (request: Request, context: CallContext) => AsyncIterable<Response>;

const READ: MethodOptions = { isRead: true };
const PATIENT: MethodOptions = { isPatient: true };
const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function httpServices(options: HttpServicesOptions): Services {
  const caller = new HttpCaller(options);
  const { endpoint, timeoutMs } = caller;

  function method<Request, Response>(
    path: string,
    request: Schema<Request>,
    response: Schema<Response>,
    { isRead = false, isPatient = false }: MethodOptions = {},
  ): Method<Request, Response> {
    return async (message, context) => {
      const body = encodeJson(request, message);
      return answerOf(
        response,
        endpoint,
        await caller.call({ method: "POST", path, body, context, isRead, isPatient }),
      );
    };
  }

  function parts<Request, Response>(
    path: string,
    request: Schema<Request>,
    response: Schema<Response>,
  ): (request: Request, context: CallContext) => AsyncIterable<Response> {
    return (message, context) => streamed(caller, path, encodeJson(request, message), response, context);
  }

  const { WebSocket } = options;
  return {
    kv: {
      range: method("/v3/kv/range", rangeRequestSchema, rangeResponseSchema, READ),
      rangeStream: parts("/quorate/kv/range-stream", rangeRequestSchema, rangeStreamResponseSchema),
      put: method("/v3/kv/put", putRequestSchema, putResponseSchema),
      deleteRange: method("/v3/kv/deleterange", deleteRangeRequestSchema, deleteRangeResponseSchema),
      txn: method("/v3/kv/txn", txnRequestSchema, txnResponseSchema),
      compact: method("/v3/kv/compaction", compactionRequestSchema, compactionResponseSchema),
    },
    watch: {
      watch: (context) =>
        WebSocket === undefined
          ? new HttpWatchStream(caller, context)
          : new WebSocketWatchStream({ endpoint, timeoutMs, WebSocket, token: caller.tokenOf(context) }),
    },
    lease: {
      grant: method("/v3/lease/grant", leaseGrantRequestSchema, leaseGrantResponseSchema),
      revoke: method("/v3/lease/revoke", leaseRevokeRequestSchema, leaseRevokeResponseSchema),
      keepAlive: (request, context) => beat(caller, request, context),
      timeToLive: method("/v3/lease/timetolive", leaseTimeToLiveRequestSchema, leaseTimeToLiveResponseSchema, READ),
      leases: method("/v3/lease/leases", leaseLeasesRequestSchema, leaseLeasesResponseSchema, READ),
    },
    lock: {
      lock: method("/v3/lock/lock", lockRequestSchema, lockResponseSchema, PATIENT),
      unlock: method("/v3/lock/unlock", unlockRequestSchema, unlockResponseSchema),
    },
    election: {
      campaign: method("/v3/election/campaign", campaignRequestSchema, campaignResponseSchema, PATIENT),
      proclaim: method("/v3/election/proclaim", proclaimRequestSchema, proclaimResponseSchema),
      leader: method("/v3/election/leader", leaderRequestSchema, leaderResponseSchema, READ),
      observe: (request, context) => observation(caller, request, context),
      resign: method("/v3/election/resign", resignRequestSchema, resignResponseSchema),
    },
    auth: httpAuth(method),
    cluster: httpCluster(method),
    maintenance: httpMaintenance(method, parts),
    health: httpHealth(caller),
    inspect: { view: () => viewOf(caller) },
  };
}

function httpCluster(method: MakeMethod): ClusterService {
  return {
    memberAdd: method("/v3/cluster/member/add", memberAddRequestSchema, memberAddResponseSchema),
    memberRemove: method("/v3/cluster/member/remove", memberRemoveRequestSchema, memberRemoveResponseSchema),
    memberUpdate: method("/v3/cluster/member/update", memberUpdateRequestSchema, memberUpdateResponseSchema),
    memberList: method("/v3/cluster/member/list", memberListRequestSchema, memberListResponseSchema, READ),
    memberPromote: method("/v3/cluster/member/promote", memberPromoteRequestSchema, memberPromoteResponseSchema),
  };
}

function httpMaintenance(method: MakeMethod, parts: MakeStream): MaintenanceService {
  return {
    alarm: method("/v3/maintenance/alarm", alarmRequestSchema, alarmResponseSchema),
    status: method("/v3/maintenance/status", statusRequestSchema, statusResponseSchema, READ),
    defragment: method("/v3/maintenance/defragment", defragmentRequestSchema, defragmentResponseSchema),
    hash: method("/v3/maintenance/hash", hashRequestSchema, hashResponseSchema, READ),
    hashKv: method("/v3/maintenance/hashkv", hashKvRequestSchema, hashKvResponseSchema, READ),
    snapshot: parts("/v3/maintenance/snapshot", snapshotRequestSchema, snapshotResponseSchema),
    moveLeader: method("/v3/maintenance/transfer-leadership", moveLeaderRequestSchema, moveLeaderResponseSchema),
    downgrade: method("/v3/maintenance/downgrade", downgradeRequestSchema, downgradeResponseSchema),
  };
}

/** Two beats say the same as one, so a lost one is repeated. */
async function beat(
  caller: HttpCaller,
  request: LeaseKeepAliveRequest,
  context: CallContext,
): Promise<LeaseKeepAliveResponse> {
  const body = encodeJson(leaseKeepAliveRequestSchema, request);
  const text = await caller.call({ method: "POST", path: "/v3/lease/keepalive", body, context, isRead: true });
  return lineOf(leaseKeepAliveResponseSchema, caller.endpoint, text);
}

async function* streamed<Response>(
  caller: HttpCaller,
  path: string,
  body: string,
  schema: Schema<Response>,
  context: CallContext,
): AsyncGenerator<Response> {
  const lines = new HttpLines(caller, { path, body, context, what: "the stream" });
  context.signal?.addEventListener("abort", () => lines.close(), { once: true });
  try {
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
      yield lineOf(schema, caller.endpoint, line);
    }
  } finally {
    lines.close();
  }
}

function observation(caller: HttpCaller, request: LeaderRequest, context: CallContext): LeaderStream {
  const body = encodeJson(leaderRequestSchema, request);
  // Nothing is told until somebody leads.
  const lines = new HttpLines(caller, {
    path: "/v3/election/observe",
    body,
    context,
    what: "the election",
    isPatient: true,
  });
  context.signal?.addEventListener("abort", () => lines.close(), { once: true });
  return {
    async next() {
      const line = await lines.next();
      return line === undefined ? undefined : lineOf(leaderResponseSchema, caller.endpoint, line);
    },
    close: () => lines.close(),
  };
}

async function viewOf(caller: HttpCaller): Promise<MemberView> {
  const text = await caller.call({ method: "GET", path: "/quorate/status", context: NO_CONTEXT, isRead: true });
  const view = parseJson(text) as Partial<MemberView> | undefined;
  if (typeof view?.id !== "string" || !Array.isArray(view.members)) throw foreignAnswerError(caller.endpoint, text);
  return view as MemberView;
}
