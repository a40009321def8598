/** A room's settings stand in its address, under the names of etcd's flags: `?room=planning&auto-compaction-retention=1h`. */
import { type FlaggedOptions, MEMBER_FLAG_NAMES, memberOptionsOf } from "../../src/member/flags.ts";

export interface RoomSettings {
  /** For the room's link. */
  readonly given: Readonly<Record<string, string>>;
  readonly options: FlaggedOptions;
}

/** Throws what is wrong, for people. */
export function roomSettings(search: string): RoomSettings {
  const parameters = new URLSearchParams(search);
  const given: Record<string, string> = {};
  for (const flag of MEMBER_FLAG_NAMES) {
    const text = parameters.get(flag);
    if (text !== null) given[flag] = text;
  }
  return { given, options: memberOptionsOf((flag) => given[flag]) };
}
