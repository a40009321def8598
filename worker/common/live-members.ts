/**
 * Which members there are, by number, as members tell the worker in front with their answers: it keeps nothing itself,
 * and begins with the founders each time. A header for each answer would cost something, so there is one only where the
 * founders are not all any more.
 *
 *     x-quorate-members: 13;6;2,4,5?      version; the next number; who is there, learners with a question mark
 */
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";

export interface LiveMembers {
  /** Grows with each member that comes, is promoted, or goes. */
  readonly version: number;
  /** Nobody has this number or a higher one yet; whoever has a lower one and is not there was removed. */
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

/** Undefined while nobody but the founders has ever been there. */
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

/** What is known after an answer with this header. */
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
