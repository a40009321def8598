/**
 * The current members by number, as members report them to the worker with their responses. The worker stores nothing:
 * each isolate starts with the initial members. A header on each response would have a cost, so it is only sent once
 * the membership differs from the initial one.
 *
 *     x-quorate-members: 13;6;2,4,5?      version; the next number; the members, learners with a question mark
 */
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";

export interface LiveMembers {
  /** Increases with each member that is added, promoted or removed. */
  readonly version: number;
  /** The lowest unused number. A member with a lower number that is not listed was removed. */
  readonly next: number;
  readonly voters: readonly number[];
  readonly all: ReadonlySet<number>;
}

export function founders(count: number): LiveMembers {
  const voters = Array.from({ length: count }, (_, at) => at + 1);
  return { version: count * VOTER, next: count + 1, voters, all: new Set(voters) };
}

const LEARNER = 1;
const VOTER = 2;
const GONE = 3;

/** Returns undefined as long as the membership never changed. */
export function membersHeader(
  members: readonly MemberRecord[],
  everCount: number,
  founderCount: number,
  numberOf: (id: bigint) => number | undefined,
): string | undefined {
  let version = (everCount - members.length) * GONE;
  const parts: string[] = [];
  for (const { id, isLearner } of members) {
    version += isLearner ? LEARNER : VOTER;
    const number = numberOf(id);
    if (number !== undefined) parts.push(`${number}${isLearner ? "?" : ""}`);
  }
  return version <= founderCount * VOTER ? undefined : `${version};${everCount + 1};${parts.join(",")}`;
}

/** Returns the members known after a response with this header. */
export function learnMembers(known: LiveMembers, header: string | null): LiveMembers {
  const parts = header === null ? null : /^(\d{1,9});(\d{1,9});((?:\d{1,9}\??,?)+)$/.exec(header);
  if (parts === null || Number(parts[1]) <= known.version) return known;
  const numbers = (parts[3] ?? "").split(",");
  return {
    version: Number(parts[1]),
    next: Number(parts[2]),
    voters: numbers.filter((number) => !number.endsWith("?")).map(Number),
    all: new Set(numbers.map((number) => Number.parseInt(number, 10))),
  };
}
