/** How the member of a tab is set up, whatever it stores and sends with. */
import type { Prng } from "../../base/prng.ts";
import type { MemberProblem } from "../../member/api/services.ts";
import type { Clock } from "../../member/clock.ts";
import type { FlaggedOptions } from "../../member/flags.ts";
import { Member } from "../../member/node/member.ts";
import type { MemberOptions } from "../../member/options.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Beginning } from "../entrance/come-in.ts";
import { roomOutage } from "./outage.ts";
import type { OutageFacts } from "./outage.ts";

export interface RoomMemberOptions extends Pick<MemberOptions, "key"> {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly beginning: Pick<Beginning, "identity" | "bootstrap">;
  /** The room's cluster is in objects of the edge. */
  readonly isAtEdge: boolean;
  readonly quotaBackendBytes: number;
  readonly settings: FlaggedOptions;
  readonly outageFacts: () => OutageFacts;
  readonly onMembership: () => void;
  readonly onStopped: (problem: Pick<MemberProblem, "code" | "text">) => void;
}

const QUIESCE_AFTER_TICKS = 30;
/** A person sees no difference. */
const LEARNER_DELAY_MS = 25;
/** A page with an open data channel is heard every second, hidden too, so ten seconds of silence mean that it is gone. */
const AUTOPILOT = { votersMax: 5, replaceAfterMs: 10_000, goneAfterMs: 60_000, learnerGoneAfterMs: 10 * 60_000 };

/** It is not started. */
export function roomMember(options: RoomMemberOptions): Member {
  const { storage, transport, clock, prng, beginning, key, isAtEdge, quotaBackendBytes, settings } = options;
  return new Member({
    storage,
    transport,
    clock,
    prng,
    identity: beginning.identity,
    bootstrap: beginning.bootstrap,
    key,
    admission: "authenticated",
    // Where the room has objects, the log says who votes. An object sleeps while nothing happens.
    ...(isAtEdge ? { quiesceAfterTicks: QUIESCE_AFTER_TICKS } : {}),
    autopilot: AUTOPILOT,
    learnerDelayMs: LEARNER_DELAY_MS,
    onMembership: options.onMembership,
    quotaBackendBytes,
    confirmsFreshness: true,
    outage: (problem) => roomOutage(problem, options.outageFacts()),
    onStopped: options.onStopped,
    ...settings,
  });
}
