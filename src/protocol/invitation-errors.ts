/** Errors of rooms with invitations, which etcd does not have. */
import { EtcdError, GrpcCode } from "./etcd-error.ts";

/** Of whoever may only read: its writes, and its promotion. */
export const errReadOnlyMember: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.PermissionDenied,
  "quorate: this member was invited to read only",
);
/** Of a guest that wants to invite others. */
export const errInvitedMember: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.PermissionDenied,
  "quorate: only members that know the room's secret invite others",
);
export const errInvitationNotFound: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.NotFound,
  "quorate: the room has no such invitation",
);
