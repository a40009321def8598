/**
 * Why a member may not join, as in a join-response. Newer versions may add values; a member shows one that it does not
 * know.
 */
export const JOIN_REFUSALS = {
  /** The cluster accepts no new member of this kind: the transport has no proof for it, or operators add members. */
  notAdmitted: "not-admitted",
  /** The cluster has as many learners as a room allows. */
  full: "full",
  badName: "bad-name",
  /** It was a member, and was removed. */
  removed: "removed",
  /** The id belongs to a member with another key. */
  otherKey: "other-key",
  /** A member with this key was removed. It does not come back under another id either. */
  keyRemoved: "key-removed",
  /** The peer has a version that does not understand this one, or the other way round. */
  peerOlder: "peer-older",
  peerNewer: "peer-newer",
  /** The invitation is none of this room, or was forgotten after its end. */
  invitationUnknown: "invitation-unknown",
  invitationExpired: "invitation-expired",
  /** As many browsers came by it as were invited. */
  invitationUsed: "invitation-used",
  invitationRevoked: "invitation-revoked",
} as const;

export type JoinRefusal = (typeof JOIN_REFUSALS)[keyof typeof JOIN_REFUSALS];
