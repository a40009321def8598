/** Reads a room's settings from its address, under the names of etcd's flags: `?room=planning&auto-compaction-retention=1h`. */
import { MEMBER_FLAG_NAMES } from "../../src/member/flags.ts";
import type { MemberFlagName } from "../../src/member/flags.ts";

/** The settings, as options of the room and as parameters of its link. */
export function roomSettings(search: string): Readonly<Partial<Record<MemberFlagName, string>>> {
  const parameters = new URLSearchParams(search);
  const given: Partial<Record<MemberFlagName, string>> = {};
  for (const flag of MEMBER_FLAG_NAMES) {
    const text = parameters.get(flag);
    if (text !== null) given[flag] = text;
  }
  return given;
}
