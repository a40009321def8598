/**
 * Tells an operator what has changed at a member: who leads, which alarms are raised, which peers are refused, and that
 * the disk is slow. It looks when the member has handled a request or frames, because it may have no timer of its own.
 */
import type { Member } from "../../src/member/node/member.ts";
import type { AlarmMember } from "../../src/protocol/api/maintenance.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type EventName, operatorEvent, shownCluster } from "../common/operator-event.ts";

/** A write of state rows that takes longer is told. */
const SLOW_MS = 1_000;
/** What may happen often is told at most once in this time. */
const REPEAT_MS = 60_000;

export class OperatorLog {
  readonly #member: Member;
  readonly #place: { readonly cluster: string; readonly member: number | string };
  #leader: bigint;
  #alarms: readonly AlarmMember[];
  #rejected: number;
  #rejectedAtMs = -Infinity;
  #slowAtMs = -Infinity;

  constructor(member: Member, storage: Storage, clusterName: string, name: number | string) {
    this.#member = member;
    this.#place = { cluster: shownCluster(clusterName), member: name };
    this.#leader = member.leader;
    this.#alarms = member.machine.alarms.list();
    this.#rejected = member.counters.framesRejected;
    const observe = storage.onStateWritten;
    storage.onStateWritten = (durationMs) => {
      observe?.(durationMs);
      if (durationMs >= SLOW_MS) this.#slow(durationMs);
    };
  }

  look(): void {
    const { leader, machine, counters } = this.#member;
    if (leader !== this.#leader) this.#leaderChanged(leader);
    const alarms = machine.alarms.list();
    if (alarms !== this.#alarms) this.#alarmsChanged(alarms);
    if (counters.framesRejected !== this.#rejected) this.#refused(counters.framesRejected);
  }

  #leaderChanged(leader: bigint): void {
    this.#leader = leader;
    const { id } = this.#member;
    const { term } = this.#member.basicStatus();
    if (leader === id) this.#tell("leader-elected", { term });
    else if (leader === 0n) this.#tell("leader-lost", { term });
  }

  #alarmsChanged(alarms: readonly AlarmMember[]): void {
    const before = this.#alarms;
    this.#alarms = alarms;
    const isIn = (list: readonly AlarmMember[], { memberId, alarm }: AlarmMember): boolean =>
      list.some((one) => one.memberId === memberId && one.alarm === alarm);
    for (const one of alarms) if (!isIn(before, one)) this.#tell("alarm-raised", { alarm: String(one.alarm) });
    for (const one of before) if (!isIn(alarms, one)) this.#tell("alarm-cleared", { alarm: String(one.alarm) });
  }

  #refused(rejected: number): void {
    const nowMs = Date.now();
    if (nowMs - this.#rejectedAtMs < REPEAT_MS) return;
    const { otherVersion } = this.#member.metrics;
    // While a deployment rolls, this says why two members do not speak.
    const versions = otherVersion === undefined ? {} : { theirVersion: otherVersion, ourVersion: PROTOCOL_VERSION };
    this.#tell("peers-refused", { frames: rejected - this.#rejected, ...versions });
    this.#rejected = rejected;
    this.#rejectedAtMs = nowMs;
  }

  #slow(durationMs: number): void {
    const nowMs = Date.now();
    if (nowMs - this.#slowAtMs < REPEAT_MS) return;
    this.#slowAtMs = nowMs;
    this.#tell("slow-disk", { ms: durationMs });
  }

  #tell(event: EventName, fields: Readonly<Record<string, string | number>>): void {
    operatorEvent(event, { ...this.#place, ...fields });
  }
}
