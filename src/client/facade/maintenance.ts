/** etcd's Maintenance service: snapshots, alarms, hashes, the leader. Loaded with the first call. */
import { equalBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import type { Services } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { alarmRequest } from "../../protocol/api/maintenance.ts";
import type { AlarmResponse, StatusResponse } from "../../protocol/api/maintenance.ts";
import type { Call, CallOptions } from "../common/call.ts";
import { count, headerOf } from "../common/convert.ts";
import { memberIdOf } from "../common/member-id.ts";
import type { Header, Id } from "../common/types.ts";

/** An alarm that a member has raised. */
export interface Alarm {
  readonly member: string;
  /** NOSPACE: the database is full, and writes that need space are refused. CORRUPT: its data differ from the others'. */
  readonly alarm: "NOSPACE" | "CORRUPT" | "NONE" | number;
}

/** What etcd reports of the member that serves the call. */
export interface MemberStatus {
  readonly header: Header;
  /** Version of etcd whose API is served. */
  readonly version: string;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  /** Id of the leader; "0" if there is none. */
  readonly leader: string;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly raftTerm: number;
  readonly isLearner: boolean;
  readonly errors: readonly string[];
}

/** The hash of all keys up to a revision. */
export interface HashKv {
  readonly header: Header;
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

/** Snapshots, alarms, hashes and the leader of the cluster. */
export interface MaintenanceClient {
  /**
   * Yields all data of one revision as an etcd snapshot file (bbolt, followed by its SHA-256), in parts. Ends when the
   * caller leaves the loop. Throws EtcdError (DataLoss) if the file is incomplete or damaged.
   */
  snapshot(options?: Pick<CallOptions, "signal">): AsyncIterable<Uint8Array>;
  /**
   * Transfers leadership to the member with this id. Resolves when it leads. Only the leader accepts the call.
   */
  moveLeader(member: Id, options?: CallOptions): Promise<void>;
  /** Returns what etcd reports of the member that serves the call; `client.status()` has more. */
  status(options?: CallOptions): Promise<MemberStatus>;
  /** Returns the alarms of all members. */
  alarms(options?: CallOptions): Promise<readonly Alarm[]>;
  /** Ends an alarm once its cause is gone. Without arguments it ends all of them. Returns those that it ended. */
  disarm(alarm?: Partial<Alarm>, options?: CallOptions): Promise<readonly Alarm[]>;
  /** Frees the space of compacted revisions on the member that serves the call. */
  defragment(options?: CallOptions): Promise<void>;
  /** Returns the hash of all keys up to a revision, which is equal on all members. Default: the newest. */
  hashKv(options?: CallOptions & { readonly revision?: number | undefined }): Promise<HashKv>;
  /** Returns the hash of the whole database of the member that serves the call. */
  hash(options?: CallOptions): Promise<number>;
  /** Validates, begins or cancels a downgrade to a version such as "3.6.0". Returns the cluster's version. */
  downgrade(action: "validate" | "enable" | "cancel", version?: string, options?: CallOptions): Promise<string>;
}

const HASH_BYTES = 32;
const ACTIONS = { validate: "VALIDATE", enable: "ENABLE", cancel: "CANCEL" } as const;

export function maintenanceClient({ maintenance }: Services, call: Call): MaintenanceClient {
  return {
    async *snapshot(options) {
      const parts = await call({}, async (context) =>
        maintenance.snapshot({}, { ...context, signal: options?.signal }),
      );
      const hash = new Sha256();
      let last: Uint8Array | undefined;
      for await (const { blob } of parts) {
        if (last !== undefined) hash.update(last);
        last = blob;
        yield blob;
      }
      if (options?.signal?.aborted === true) return;
      if (last?.length !== HASH_BYTES || !equalBytes(hash.digest(), last)) {
        throw new EtcdError(GrpcCode.DataLoss, "the snapshot ended early or was damaged on its way");
      }
    },
    async moveLeader(member, options) {
      await call(options, (context) => maintenance.moveLeader({ targetId: memberIdOf(member) }, context));
    },
    status: async (options) => statusOf(await call(options, (context) => maintenance.status({}, context))),
    alarms: async (options) => alarmsOf(await call(options, (context) => maintenance.alarm(alarmRequest(), context))),
    async disarm(given = {}, options) {
      const request = alarmRequest({
        action: "DEACTIVATE",
        memberId: memberIdOf(given.member),
        alarm: given.alarm ?? "NONE",
      });
      if (given.alarm !== undefined) {
        return alarmsOf(await call(options, (context) => maintenance.alarm(request, context)));
      }
      // etcd ends one kind of alarm at one member with a call.
      const ended: Alarm[] = [];
      for (const { member, alarm } of await this.alarms(options)) {
        if (given.member === undefined || given.member === member) {
          ended.push(...(await this.disarm({ member, alarm }, options)));
        }
      }
      return ended;
    },
    async defragment(options) {
      await call(options, (context) => maintenance.defragment({}, context));
    },
    async hashKv(options) {
      const request = { revision: count("revision", options?.revision) };
      const { header, hash, compactRevision, hashRevision } = await call(options, (context) =>
        maintenance.hashKv(request, context),
      );
      return { header: headerOf(header), hash, compactRevision, hashRevision };
    },
    hash: async (options) => (await call(options, (context) => maintenance.hash({}, context))).hash,
    async downgrade(action, version = "", options) {
      const request = { action: ACTIONS[action], version };
      return (await call(options, (context) => maintenance.downgrade(request, context))).version;
    },
  };
}

function statusOf(status: StatusResponse): MemberStatus {
  const { header, version, dbSize, dbSizeInUse, leader, raftIndex, raftAppliedIndex, raftTerm } = status;
  return {
    header: headerOf(header),
    version,
    dbSizeBytes: dbSize,
    dbSizeInUseBytes: dbSizeInUse,
    leader: leader.toString(),
    raftIndex,
    raftAppliedIndex,
    raftTerm,
    isLearner: status.isLearner,
    errors: status.errors,
  };
}

function alarmsOf({ alarms }: AlarmResponse): readonly Alarm[] {
  return alarms.map(({ memberId, alarm }): Alarm => ({ member: memberId.toString(), alarm }));
}
