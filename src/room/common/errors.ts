/** Why a room was not opened. */
import { errorDocs, EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** Why a room was not opened. */
export type OpenRoomErrorReason =
  /** The name, the secret, a flag or the signalling URL is not one. */
  | "invalid"
  /** The room is open in this page already. */
  | "already-open"
  /** This runtime lacks what a member needs. */
  | "unsupported"
  /** The room has a secret, and none was given. */
  | "key-needed"
  /** The room has another secret. */
  | "key-wrong"
  /** The room is open, and was not asked for as an open one. */
  | "room-open"
  /** This browser has stored the room, but not its secret, and the signalling server does not know the room. */
  | "secret-unknown"
  /** The room has no such invitation: the link was changed, or it ended long ago. */
  | "invitation-unknown"
  | "invitation-expired"
  /** As many browser profiles as it was for have come in by it. */
  | "invitation-used"
  | "invitation-revoked"
  /** The signalling server does not respond, so nobody can say whose room this is. */
  | "unreachable";

/** The room was not opened; `reason` says why. The code is the gRPC code that fits the reason. */
export class OpenRoomError extends EtcdError {
  readonly reason: OpenRoomErrorReason;

  constructor(reason: OpenRoomErrorReason, message: string) {
    super(codeOf(reason), message);
    this.name = "OpenRoomError";
    this.reason = reason;
  }

  override get docs(): string {
    return errorDocs("OpenRoom");
  }
}

function codeOf(reason: OpenRoomErrorReason): GrpcCode {
  switch (reason) {
    case "invalid":
      return GrpcCode.InvalidArgument;
    case "already-open":
      return GrpcCode.AlreadyExists;
    case "unsupported":
      return GrpcCode.Unimplemented;
    case "key-needed":
    case "key-wrong":
    case "invitation-unknown":
    case "invitation-expired":
    case "invitation-used":
    case "invitation-revoked":
      return GrpcCode.PermissionDenied;
    case "unreachable":
      return GrpcCode.Unavailable;
    case "room-open":
    case "secret-unknown":
      return GrpcCode.FailedPrecondition;
  }
}
