/**
 * The errors that a client can receive: a gRPC code and etcd's exact text. etcd's clients recognise an error by its
 * text, so the texts are part of the contract. The errors are shared values. Compare them with `===` inside a member,
 * and by `message` once an error was sent over the network.
 */

import { EtcdError, GrpcCode, grpcCodeName } from "./etcd-error.ts";

export { errorDocs, EtcdError, GrpcCode, grpcCodeName, grpcCodeOf } from "./etcd-error.ts";

const HTTP_STATUS: Readonly<Record<GrpcCode, number>> = {
  0: 200,
  1: 499,
  2: 500,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
};

/** The HTTP status of etcd's JSON gateway. */
export function httpStatus(code: GrpcCode): number {
  return HTTP_STATUS[code];
}

/** Formats an error as Go's gRPC prints a status. etcd uses this form in a watch's `cancel_reason`. */
export function rpcErrorText(error: EtcdError): string {
  return `rpc error: code = ${grpcCodeName(error.code)} desc = ${error.message}`;
}

// Marked pure, so that a bundle contains only the errors that its code can return.
export const errEmptyKey: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: key is not provided",
);
export const errKeyNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: key not found",
);
export const errValueProvided: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: value is provided",
);
export const errLeaseProvided: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: lease is provided",
);
export const errTooManyOps: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: too many operations in txn request",
);
export const errDuplicateKey: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: duplicate key given in txn request",
);
export const errInvalidClientAPIVersion: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: invalid client api version",
);
export const errInvalidSortOption: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: invalid sort option",
);
export const errCompacted: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.OutOfRange,
  "etcdserver: mvcc: required revision has been compacted",
);
export const errFutureRev: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.OutOfRange,
  "etcdserver: mvcc: required revision is a future revision",
);
export const errNoSpace: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.ResourceExhausted,
  "etcdserver: mvcc: database space exceeded",
);
export const errLeaseNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.NotFound,
  "etcdserver: requested lease not found",
);
export const errLeaseExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: lease already exists",
);
export const errLeaseTTLTooLarge: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.OutOfRange,
  "etcdserver: too large lease TTL",
);
export const errWatchCanceled: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Canceled,
  "etcdserver: watch canceled",
);
export const errMemberExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: member ID already exist",
);
export const errPeerURLExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: Peer URLs already exists",
);
/** FailedPrecondition by etcd's own table; by mistake its server sends it without a code. */
export const errMemberNotEnoughStarted: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unknown,
  "etcdserver: re-configuration failed due to not enough started members",
);
export const errMemberBadURLs: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: given member URLs are invalid",
);
export const errMemberNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.NotFound,
  "etcdserver: member not found",
);
export const errMemberNotLearner: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: can only promote a learner member",
);
export const errLearnerNotReady: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: can only promote a learner member which is in sync with leader",
);
export const errTooManyLearners: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: too many learner members in cluster",
);
export const errClusterIDMismatch: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: cluster ID mismatch",
);
export const errRequestTooLarge: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: request is too large",
);
export const errRequestTooManyRequests: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.ResourceExhausted,
  "etcdserver: too many requests",
);
export const errRootUserNotExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: root user does not exist",
);
export const errRootRoleNotExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: root user does not have root role",
);
export const errUserAlreadyExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: user name already exists",
);
export const errUserEmpty: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: user name is empty",
);
export const errUserNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: user name not found",
);
export const errRoleAlreadyExist: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: role name already exists",
);
export const errRoleNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: role name not found",
);
export const errRoleEmpty: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: role name is empty",
);
export const errAuthFailed: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: authentication failed, invalid user ID or password",
);
export const errPermissionNotGiven: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: permission not given",
);
export const errPermissionDenied: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.PermissionDenied,
  "etcdserver: permission denied",
);
export const errRoleNotGranted: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: role is not granted to the user",
);
export const errPermissionNotGranted: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: permission is not granted to the role",
);
export const errAuthNotEnabled: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: authentication is not enabled",
);
export const errInvalidAuthToken: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unauthenticated,
  "etcdserver: invalid auth token",
);
export const errInvalidAuthMgmt: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: invalid auth management",
);
export const errAuthOldRevision: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: revision of auth store is old",
);
export const errNoLeader: EtcdError = /* @__PURE__ */ new EtcdError(GrpcCode.Unavailable, "etcdserver: no leader");
export const errNotLeader: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: not leader",
);
export const errLeaderChanged: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: leader changed",
);
export const errNotCapable: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: not capable",
);
export const errStopped: EtcdError = /* @__PURE__ */ new EtcdError(GrpcCode.Unavailable, "etcdserver: server stopped");
export const errTimeout: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: request timed out",
);
export const errTimeoutDueToLeaderFail: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: request timed out, possibly due to previous leader failure",
);
export const errTimeoutDueToConnectionLost: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: request timed out, possibly due to connection lost",
);
export const errTimeoutWaitAppliedIndex: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: request timed out, waiting for the applied index took too long",
);
export const errUnhealthy: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unavailable,
  "etcdserver: unhealthy cluster",
);
export const errCorrupt: EtcdError = /* @__PURE__ */ new EtcdError(GrpcCode.DataLoss, "etcdserver: corrupt cluster");
export const errNotSupportedForLearner: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: rpc not supported for learner",
);
export const errBadLeaderTransferee: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: bad leader transferee",
);
export const errWrongDowngradeVersionFormat: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: wrong downgrade target version format",
);
export const errInvalidDowngradeTargetVersion: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.InvalidArgument,
  "etcdserver: invalid downgrade target version",
);
export const errClusterVersionUnavailable: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: cluster version not found during downgrade",
);
export const errDowngradeInProcess: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: cluster has a downgrade job in progress",
);
export const errNoInflightDowngrade: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.FailedPrecondition,
  "etcdserver: no inflight downgrade job",
);
export const errCanceled: EtcdError = /* @__PURE__ */ new EtcdError(GrpcCode.Canceled, "etcdserver: request canceled");
export const errDeadlineExceeded: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.DeadlineExceeded,
  "etcdserver: context deadline exceeded",
);
