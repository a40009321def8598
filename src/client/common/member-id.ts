/** Ids of members as arguments. */
import { invalid } from "./convert.ts";
import type { Id } from "./types.ts";

const ID_BITS = 64;

/** Converts the id of a member, which is unsigned, other than that of a lease. */
export function memberIdOf(id: Id | undefined): bigint {
  if (id === undefined) return 0n;
  if (typeof id !== "bigint" && (typeof id !== "string" || !/^\d{1,20}$/.test(id))) {
    throw invalid(`the id of a member is a decimal string or a bigint, not ${JSON.stringify(id)}`);
  }
  const value = BigInt(id);
  if (BigInt.asUintN(ID_BITS, value) !== value) throw invalid(`the id of a member has at most 64 bits: ${value}`);
  return value;
}
