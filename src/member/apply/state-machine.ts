/**
 * The replicated state: applies committed entries to the tables. Synchronous and deterministic: every member applies
 * the same entries and gets the same rows, results and errors.
 *
 * Errors are of two kinds. An EtcdError is a result like any other: all members get it. Any other exception means that
 * this member may diverge from the others, and stops it.
 */
import { unreachable } from "../../base/assert.ts";
import { EtcdError, errLeaseNotFound } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import { internalRaftRequestSchema } from "../../protocol/peer/internal-schema.ts";
import type { InternalRaftRequest, InternalRequest } from "../../protocol/peer/internal.ts";
import type { Event } from "../../protocol/api/kv.ts";
import { decode } from "../../protocol/codec/proto-codec.ts";
import type { ConfChange, ConfState } from "../../protocol/peer/raft-message.ts";
import { AuthStore } from "../../auth/auth-store.ts";
import type { Caller, TokenHook } from "../../auth/auth-store.ts";
import { checkRequest } from "../../auth/check-request.ts";
import { executeAuth } from "../../auth/execute.ts";
import { LeaseTable } from "../../lease/lease-table.ts";
import type { LeaseListener } from "../../lease/lease-table.ts";
import { leaseGrantResponse, leaseRevokeResponse } from "../../protocol/api/lease.ts";
import type {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
} from "../../protocol/api/lease.ts";
import { alarmResponse } from "../../protocol/api/maintenance.ts";
import { headerAt } from "../../mvcc/tables/messages.ts";
import { Store } from "../../mvcc/store.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { WatchHub } from "../../mvcc/watch/watch-hub.ts";
import { AlarmStore } from "./alarm-store.ts";
import type { MemberLimits } from "../options.ts";
import { ClusterVersion } from "./cluster-version.ts";
import { Membership } from "../membership/membership.ts";
import type { Outcome } from "../outcome.ts";

export interface Applied {
  readonly id: bigint;
  readonly outcome: Outcome<unknown>;
}

export interface MachineCounters {
  puts: number;
  deletes: number;
  txns: number;
  leasesGranted: number;
  leasesRevoked: number;
}

export class StateMachine {
  #tables: StateTables;
  #clusterVersion: ClusterVersion;
  #store: Store;
  #membership: Membership;
  #leases: LeaseTable;
  #auth: AuthStore;
  #alarms: AlarmStore;
  readonly #leaseListener: LeaseListener;
  readonly #tokens: TokenHook;
  readonly hub: WatchHub;
  /** Counted since this object was created. The log is applied from the index that storage had. */
  readonly counters: MachineCounters = { puts: 0, deletes: 0, txns: 0, leasesGranted: 0, leasesRevoked: 0 };

  constructor(
    tables: StateTables,
    header: (revision: number) => ResponseHeader,
    limits: MemberLimits,
    leaseListener: LeaseListener,
    tokens: TokenHook,
  ) {
    this.#leaseListener = leaseListener;
    this.#tables = tables;
    this.#tokens = tokens;
    this.#auth = new AuthStore(tables, tokens);
    this.#leases = new LeaseTable(tables.bucket("lease"), leaseListener);
    this.#store = new Store(tables, this.#leases);
    this.#membership = new Membership(tables);
    this.#clusterVersion = new ClusterVersion(tables.bucket("meta"));
    this.#alarms = new AlarmStore(tables.bucket("alarm"));
    this.hub = new WatchHub(this.#store, header, {
      watchersMax: limits.watchers,
      streamBytesMax: limits.watchStreamBytes,
      fragmentBytes: limits.requestBytes + 512 * 1024,
    });
  }

  get store(): Store {
    return this.#store;
  }

  get leases(): LeaseTable {
    return this.#leases;
  }

  get auth(): AuthStore {
    return this.#auth;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get alarms(): AlarmStore {
    return this.#alarms;
  }

  get tables(): StateTables {
    return this.#tables;
  }

  get clusterVersion(): ClusterVersion {
    return this.#clusterVersion;
  }

  /** Call when a snapshot has replaced all tables. */
  reopen(tables: StateTables): void {
    this.#tables = tables;
    this.#auth = new AuthStore(tables, this.#tokens);
    // The snapshot does not show which tokens have become invalid meanwhile.
    this.#tokens.invalidateAll();
    this.#leases = new LeaseTable(tables.bucket("lease"), this.#leaseListener);
    this.#store = new Store(tables, this.#leases);
    this.#membership = new Membership(tables);
    this.#clusterVersion = new ClusterVersion(tables.bucket("meta"));
    this.#alarms = new AlarmStore(tables.bucket("alarm"));
    this.hub.replaceStore(this.#store);
  }

  /**
   * Applies one entry. `data` is an encoded InternalRaftRequest; an empty entry (the first of a term) changes nothing.
   */
  apply(data: Uint8Array, index: number): Applied | undefined {
    if (data.length === 0) return undefined;
    const request: InternalRaftRequest = decode(internalRaftRequestSchema, data);
    return { id: request.header.id, outcome: this.#outcome(request, index) };
  }

  applyConfChange(change: ConfChange, confState: ConfState): void {
    this.#membership.apply(change, confState);
  }

  #outcome({ header, request }: InternalRaftRequest, index: number): Outcome<unknown> {
    try {
      const caller = { username: header.username, revision: header.authRevision };
      const keysOfLease = (id: bigint): readonly Uint8Array[] => this.#leases.keysOf(id);
      const refusal = this.#alarms.refusal(request);
      if (refusal !== undefined) throw refusal;
      checkRequest({ auth: this.#auth, caller, keysOfLease }, request);
      return { ok: true, value: this.#execute(request, caller, index) };
    } catch (error) {
      if (error instanceof EtcdError) return { ok: false, error };
      throw error;
    }
  }

  #execute(request: InternalRequest, caller: Caller, index: number): unknown {
    switch (request.type) {
      case "put":
        return this.#published(this.#store.put(request.put));
      case "deleteRange":
        return this.#published(this.#store.deleteRange(request.deleteRange));
      case "txn":
        this.counters.txns += 1;
        return this.#published(this.#store.txn(request.txn));
      case "range":
        return this.#store.range(request.range);
      case "compaction":
        this.#store.compact(request.compaction.revision);
        return undefined;
      case "clusterMemberAttrSet": {
        const { memberId, memberAttributes } = request.clusterMemberAttrSet;
        if (memberAttributes !== undefined) this.#membership.setAttributes(memberId, memberAttributes);
        return undefined;
      }
      case "clusterVersionSet":
        this.#clusterVersion.setVersion(request.clusterVersionSet.ver);
        return undefined;
      case "downgradeInfoSet": {
        const { enabled, ver } = request.downgradeInfoSet;
        this.#clusterVersion.setDowngrade(enabled ? ver : undefined);
        return undefined;
      }
      case "leaseGrant":
        return this.#grant(request.leaseGrant);
      case "leaseRevoke":
        return this.#revoke(request.leaseRevoke);
      case "leaseCheckpoint":
        for (const checkpoint of request.leaseCheckpoint.checkpoints) this.#leases.checkpoint(checkpoint);
        return undefined;
      case "authenticate":
        return this.#auth.authenticate(request.authenticate, index);
      case "authEnable":
      case "authDisable":
      case "authStatus":
      case "authUserAdd":
      case "authUserDelete":
      case "authUserGet":
      case "authUserChangePassword":
      case "authUserGrantRole":
      case "authUserRevokeRole":
      case "authUserList":
      case "authRoleList":
      case "authRoleAdd":
      case "authRoleDelete":
      case "authRoleGet":
      case "authRoleGrantPermission":
      case "authRoleRevokePermission":
        return executeAuth(this.#auth, request, caller);
      case "alarm":
        return alarmResponse({
          header: headerAt(this.#store.revision),
          alarms: this.#alarms.apply(request.alarm),
        });
      case "none":
        // No member proposes this. If a newer one does, older members stop, because skipping it would make them
        // diverge.
        throw new Error(`this version cannot apply a request of type ${request.type}`);
      default:
        return unreachable(request);
    }
  }

  #grant(request: LeaseGrantRequest): LeaseGrantResponse {
    const { id, ttl } = this.#leases.grant(request.id, request.ttl);
    this.counters.leasesGranted += 1;
    return leaseGrantResponse({ header: headerAt(this.#store.revision), id, ttl });
  }

  /** Deletes the lease's keys in one revision, so that watchers get them in one response. */
  #revoke({ id }: LeaseRevokeRequest): LeaseRevokeResponse {
    if (!this.#leases.exists(id)) throw errLeaseNotFound;
    const events = this.#store.deleteKeys(this.#leases.keysOf(id));
    this.#leases.remove(id);
    this.counters.leasesRevoked += 1;
    return this.#published({ response: leaseRevokeResponse({ header: headerAt(this.#store.revision) }), events });
  }

  #published<R>(result: { readonly response: R; readonly events: readonly Event[] }): R {
    if (result.events.length > 0) this.hub.publish(this.#store.revision, result.events);
    for (const { type } of result.events) this.counters[type === "PUT" ? "puts" : "deletes"] += 1;
    return result.response;
  }
}
