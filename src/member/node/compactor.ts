/** Connects auto-compaction to its member: the member's clock drives it, and compactions are proposed as root. */
import { ROOT } from "../../auth/auth-store.ts";
import type { Caller } from "../../auth/auth-store.ts";
import { errCompacted } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { compactionRequest } from "../../protocol/api/kv.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { AutoCompaction } from "../background/auto-compaction.ts";
import type { AutoCompactionOptions } from "../options.ts";
import type { Clock } from "../clock.ts";
import type { Outcome } from "../outcome.ts";
import type { StateMachine } from "../apply/state-machine.ts";

/** What compaction uses of the member. */
export interface CompactionHost {
  readonly id: MemberId;
  readonly leader: MemberId;
  readonly clock: Clock;
  readonly machine: StateMachine;
  write(request: InternalRequest, done: (outcome: Outcome<unknown>) => void, caller?: Caller): void;
}

export function autoCompactionOf(member: CompactionHost, options: AutoCompactionOptions = OFF): AutoCompaction {
  return new AutoCompaction(options, {
    get isLeader() {
      return member.leader === member.id;
    },
    get nowMs() {
      return member.clock.nowMs();
    },
    get revision() {
      return member.machine.store.revision;
    },
    compact(revision, done) {
      member.write(
        { type: "compaction", compaction: compactionRequest({ revision }) },
        (outcome) => done(outcome.ok || isCompacted(outcome.error)),
        { username: ROOT, revision: member.machine.auth.revision },
      );
    },
  });
}

const OFF: AutoCompactionOptions = { mode: "off", retention: 0 };

/** True if another compaction has already compacted the revision. */
function isCompacted(error: EtcdError): boolean {
  return error.message === errCompacted.message;
}
