/**
 * The marker of an outbox in the cluster: made before anything is sent, and kept alive on its lease.
 *
 * The key is chosen durably before it is created, so that a lost answer leaves no marker that nobody knows.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { KvClient } from "../client.ts";
import type { LeaseClient } from "../facade/lease.ts";
import { compare, op } from "../facade/txn.ts";
import { rangeAt, valueOf } from "./marked-txn.ts";
import { digestOf, markerText } from "./marker.ts";
import type { OutboxLog } from "./outbox-log.ts";
import type { OutboxIdentity } from "./outbox-store.ts";

export interface RegistrationOptions {
  readonly kv: Pick<KvClient, "txn">;
  readonly lease: Pick<LeaseClient, "grant" | "keepAliveOnce">;
  readonly log: OutboxLog;
  readonly markerPrefix: string;
  readonly markerTtl: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Random, and never the same twice. */
  readonly newId: () => string;
}

const RENEWALS_PER_TTL = 10;

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #log: OutboxLog;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Takes the next step to a marker that is registered. */
  async register(known: OutboxIdentity | undefined): Promise<void> {
    const { kv, lease, markerPrefix, markerTtl, newId, now } = this.#options;
    if (known === undefined) {
      const renewedAt = now();
      const granted = await lease.grant(markerTtl);
      const marker = markerText({ to: 0, decision: "registered", id: newId(), of: digestOf([]) });
      const identity = { key: markerPrefix + newId(), lease: granted.id, marker, isRegistered: false, renewedAt };
      await this.#log.commit({ identity });
      return;
    }
    const { key, marker } = known;
    try {
      const { succeeded, responses } = await kv
        .txn()
        .if(compare.createRevision(key).equals(0))
        .then(op.put(key, marker, { lease: known.lease }))
        .else(op.range(key))
        .commit();
      const isOurs = succeeded || valueOf(rangeAt(responses, 0)) === marker;
      await this.#log.commit({ identity: isOurs ? { ...known, isRegistered: true } : null });
    } catch (error) {
      // Its lease is gone. Nothing was sent under this key, so another one does as well.
      if (!(error instanceof EtcdError) || error.code !== GrpcCode.NotFound) throw error;
      await this.#log.commit({ identity: null });
    }
  }

  isRenewalDue({ renewedAt }: OutboxIdentity): boolean {
    return this.#options.now() >= renewedAt + (this.#options.markerTtl * 1_000) / RENEWALS_PER_TTL;
  }

  /** If the lease is gone, so is the marker, and the next txn finds that. */
  async renew(identity: OutboxIdentity): Promise<void> {
    const renewedAt = this.#options.now();
    await this.#options.lease.keepAliveOnce(identity.lease);
    await this.#log.commit({ identity: { ...identity, renewedAt } });
  }
}
