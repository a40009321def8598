/**
 * The alarms, as replicated state: raised and cleared through the log, stored in the bucket "alarm" as etcd stores them
 * (the message is the key, there is no value). While an alarm is raised, all members refuse the same requests from the
 * same entry on, no matter which member proposed them.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { errCorrupt, errNoSpace } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { alarmMemberSchema } from "../../protocol/api/schema/maintenance-schema.ts";
import type { AlarmMember, AlarmRequest, AlarmType } from "../../protocol/api/maintenance.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { Bucket } from "../../mvcc/tables/tables.ts";
import { txnCost } from "./quota.ts";

export class AlarmStore {
  readonly #bucket: Bucket;
  /** Sorted by kind, then by member. */
  #alarms: readonly AlarmMember[];

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
    this.#alarms = readAll(bucket);
  }

  /** Lists the alarms of a kind; "NONE" means all. */
  list(type: AlarmType = "NONE"): readonly AlarmMember[] {
    return type === "NONE" ? this.#alarms : this.#alarms.filter(({ alarm }) => alarm === type);
  }

  has(type: AlarmType): boolean {
    return this.#alarms.some(({ alarm }) => alarm === type);
  }

  isRaised({ memberId, alarm }: AlarmMember): boolean {
    return this.#alarms.some((known) => known.memberId === memberId && known.alarm === alarm);
  }

  /** Returns the alarm that was raised or cleared; empty if there was none to clear. */
  apply({ action, memberId, alarm }: AlarmRequest): readonly AlarmMember[] {
    const named: AlarmMember = { memberId, alarm };
    switch (action) {
      case "GET":
        return this.list(alarm);
      case "ACTIVATE":
        if (alarm === "NONE") return [];
        if (this.isRaised(named)) return [named];
        this.#bucket.set(encode(alarmMemberSchema, named), EMPTY_BYTES);
        break;
      case "DEACTIVATE":
        if (!this.isRaised(named)) return [];
        this.#bucket.delete(encode(alarmMemberSchema, named));
        break;
      default:
        // An action of a later etcd. etcd 3.7.1 crashes on it.
        return [];
    }
    this.#alarms = readAll(this.#bucket);
    return [named];
  }

  /** Returns why an alarm forbids the request. Checked when it is applied, before its permissions. */
  refusal(request: InternalRequest): EtcdError | undefined {
    if (this.#alarms.length === 0) return undefined;
    if (this.has("CORRUPT") && CHANGES_DATA.has(request.type)) return errCorrupt;
    return this.has("NOSPACE") && takesSpace(request) ? errNoSpace : undefined;
  }
}

const CHANGES_DATA: ReadonlySet<InternalRequest["type"]> = new Set([
  "put",
  "range",
  "deleteRange",
  "txn",
  "compaction",
  "leaseGrant",
  "leaseRevoke",
]);

function takesSpace(request: InternalRequest): boolean {
  if (request.type === "txn") return txnCost(request.txn) > 0;
  return request.type === "put" || request.type === "leaseGrant";
}

function readAll(bucket: Bucket): readonly AlarmMember[] {
  const alarms: AlarmMember[] = [];
  bucket.scan((key) => alarms.push(decode(alarmMemberSchema, key)) > 0);
  return alarms.sort((left, right) => rank(left) - rank(right) || (left.memberId < right.memberId ? -1 : 1));
}

function rank({ alarm }: AlarmMember): number {
  if (typeof alarm === "number") return alarm;
  return alarm === "NOSPACE" ? 1 : 2;
}
