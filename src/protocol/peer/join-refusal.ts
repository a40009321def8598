/** Why a member is not let in, as it stands in a join-response. Others may come; whoever does not know one shows it. */
export const JOIN_REFUSALS = {
  /** Those inside let in nobody who asks like this: the carrier has no proof of it, or people add members. */
  notAdmitted: "not-admitted",
  /** There are as many learners as a room takes. */
  full: "full",
  badName: "bad-name",
  /** It was a member, and was removed. */
  removed: "removed",
} as const;

export type JoinRefusal = (typeof JOIN_REFUSALS)[keyof typeof JOIN_REFUSALS];
