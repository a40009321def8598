/**
 * etcd's corruption check: verifies that all members hold the same data. The leader hashes its rows at its revision and
 * requests the hash at that revision from every other member. A CORRUPT alarm names each member that differs from the
 * majority. Once it is raised, all members refuse changes of data.
 *
 * A check starts only after work: at a tick of a leader that has applied something new. So it never wakes a member, and
 * a quiesced cluster stays quiesced. A member can also check once at its start, early in its service, whether it agrees
 * with the others, and stops if it does not.
 */
import { DecodeError } from "../../protocol/decode-error.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { hashKvRequestSchema, hashKvResponseSchema } from "../../protocol/api/schema/maintenance-schema.ts";
import { hashKvResponse } from "../../protocol/api/maintenance.ts";
import type { HashKvResponse } from "../../protocol/api/maintenance.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { KeyValueHash } from "../../mvcc/hash.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { Clock } from "../clock.ts";
import type { HashQueue } from "./hash-queue.ts";
import type { Settings } from "../options.ts";
import type { Rpc, RpcCallback } from "../peer/rpc.ts";
import type { StateMachine } from "../apply/state-machine.ts";

const METHOD = "hashkv";

/** A member's response; undefined if there was none, or the member could not compute the hash. */
interface PeerHash {
  readonly id: MemberId;
  readonly response: HashKvResponse | undefined;
}

/** What the check uses of the member. */
export interface CorruptionHost {
  readonly id: MemberId;
  readonly leader: MemberId;
  readonly settings: Pick<Settings, "corruptCheckMs" | "initialCorruptCheck">;
  readonly clock: Clock;
  readonly machine: StateMachine;
  readonly hashQueue: HashQueue;
  readonly rpc: Rpc;
  header(revision: number): ResponseHeader;
  write(request: InternalRequest, done: () => void): void;
  linearizable(read: () => void, fail: () => void): void;
}

export class CorruptionCheck {
  readonly #member: CorruptionHost;
  #running = false;
  #isInitialDue: boolean;
  #lastMs: number;
  #checkedState = "";

  constructor(member: CorruptionHost) {
    this.#member = member;
    this.#isInitialDue = member.settings.initialCorruptCheck;
    this.#lastMs = member.clock.nowMs();
    member.rpc.handle(METHOD, (payload, done) => this.#serve(payload, done));
  }

  tick(): void {
    const { leader, id, settings, clock } = this.#member;
    if (this.#running || leader === 0n) return;
    if (this.#isInitialDue) return this.#begin((own, peers) => this.#checkInitially(own, peers));
    if (settings.corruptCheckMs === 0 || leader !== id) return;
    if (clock.nowMs() - this.#lastMs < settings.corruptCheckMs || this.#state() === this.#checkedState) return;
    this.#lastMs = clock.nowMs();
    this.#begin((own, peers) => this.#compare(own, peers));
  }

  #state(): string {
    const { revision, compactRevision } = this.#member.machine.store;
    return `${revision}/${compactRevision}`;
  }

  #begin(compare: (own: KeyValueHash, peers: readonly PeerHash[]) => void): void {
    this.#running = true;
    this.#checkedState = this.#state();
    this.#member.hashQueue.request(0, (outcome) => {
      if (outcome.ok) this.#callPeers(outcome.value, (peers) => compare(outcome.value, peers));
      else this.#running = false;
    });
  }

  #callPeers({ hashRevision }: KeyValueHash, then: (peers: readonly PeerHash[]) => void): void {
    const { machine, id, rpc } = this.#member;
    const others = machine.membership.members.filter((member) => member.id !== id);
    const peers: PeerHash[] = [];
    const onResponse = (): void => {
      if (peers.length < others.length) return;
      this.#running = false;
      then(peers);
    };
    const payload = encode(hashKvRequestSchema, { revision: hashRevision });
    for (const other of others) {
      rpc.call(other.id, METHOD, payload, (outcome) => {
        peers.push({ id: other.id, response: outcome.ok ? responseOf(outcome.value) : undefined });
        onResponse();
      });
    }
    onResponse();
  }

  /**
   * Compares the hashes after a linearizable read. This member's revision is then at least what each peer had when it
   * responded.
   */
  #compare(own: KeyValueHash, peers: readonly PeerHash[]): void {
    this.#member.linearizable(
      () => {
        const { store, membership } = this.#member.machine;
        for (const { id, response } of peers) {
          if (response === undefined) continue;
          const { header, compactRevision } = response;
          if (header.revision > store.revision || compactRevision > store.compactRevision) this.#raise(id);
        }
        for (const id of outvoted(this.#member.id, own, peers, membership.members.length)) this.#raise(id);
      },
      () => {
        // Without a leader the alarm cannot be raised. The next check follows the next change.
      },
    );
  }

  #checkInitially(own: KeyValueHash, peers: readonly PeerHash[]): void {
    this.#isInitialDue = false;
    const differs = peers.some(
      ({ response }) => response?.compactRevision === own.compactRevision && response.hash !== own.hash,
    );
    if (differs) throw new Error("found data inconsistency with peers");
  }

  #raise(memberId: MemberId): void {
    const alarm = { memberId, alarm: "CORRUPT" } as const;
    if (this.#member.machine.alarms.isRaised(alarm)) return;
    this.#member.write({ type: "alarm", alarm: { action: "ACTIVATE", ...alarm } }, () => {});
  }

  #serve(payload: Uint8Array, done: RpcCallback): void {
    let revision: number;
    try {
      ({ revision } = decode(hashKvRequestSchema, payload));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return done({ ok: false, error: new EtcdError(GrpcCode.InvalidArgument, error.message) });
    }
    this.#member.hashQueue.request(revision, (outcome) => {
      if (!outcome.ok) return done(outcome);
      const header = this.#member.header(this.#member.machine.store.revision);
      done({ ok: true, value: encode(hashKvResponseSchema, hashKvResponse({ header, ...outcome.value })) });
    });
  }
}

/**
 * Returns the members whose hash differs from the majority of the cluster. Without a majority it is undecidable which
 * one is right, and 0 stands for the cluster. Members with another compact revision cannot be compared; etcd skips them
 * too.
 */
function outvoted(
  ownId: MemberId,
  own: KeyValueHash,
  peers: readonly PeerHash[],
  memberCount: number,
): readonly MemberId[] {
  const byHash = new Map<number, MemberId[]>([[own.hash, [ownId]]]);
  for (const { id, response } of peers) {
    if (response === undefined || response.compactRevision !== own.compactRevision) continue;
    byHash.set(response.hash, [...(byHash.get(response.hash) ?? []), id]);
  }
  if (byHash.size === 1) return [];
  const groups = [...byHash.values()];
  const majority = groups.find((ids) => ids.length * 2 > memberCount);
  return majority === undefined ? [0n] : groups.filter((ids) => ids !== majority).flat();
}

function responseOf(payload: Uint8Array): HashKvResponse | undefined {
  try {
    return decode(hashKvResponseSchema, payload);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
