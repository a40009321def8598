/** Maintenance of a cluster: a snapshot of its data, another leader. */
import { equalBytes } from "../../base/bytes.ts";
import { loadedOnce } from "../../member/api/lazy-service.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { moveLeaderRequest } from "../../protocol/api/maintenance.ts";

/** Parts of etcd's Maintenance service. */
export interface MaintenanceClient {
  /**
   * Yields all data of one revision as an etcd snapshot file (bbolt, followed by its SHA-256), in parts. Ends when the
   * caller leaves the loop. Throws EtcdError (DataLoss) if the file is incomplete or damaged.
   */
  snapshot(): AsyncIterable<Uint8Array>;
  /**
   * Transfers leadership to the member with this id (decimal). Resolves when it leads. Only the leader accepts the
   * call.
   */
  moveLeader(member: string): Promise<void>;
}

const HASH_BYTES = 32;

const sha256 = /* @__PURE__ */ loadedOnce(() => import("../../base/sha256.ts"));

export function maintenanceClient(
  { maintenance }: Services,
  context: CallContext,
  checkOpen: () => void,
): MaintenanceClient {
  return {
    async *snapshot() {
      checkOpen();
      const { Sha256 } = await sha256();
      const hash = new Sha256();
      let last: Uint8Array | undefined;
      for await (const { blob } of maintenance.snapshot({}, context)) {
        if (last !== undefined) hash.update(last);
        last = blob;
        yield blob;
      }
      if (last?.length !== HASH_BYTES || !equalBytes(hash.digest(), last)) {
        throw new EtcdError(GrpcCode.DataLoss, "the snapshot ended early or was damaged on its way");
      }
    },
    async moveLeader(member) {
      checkOpen();
      await maintenance.moveLeader(moveLeaderRequest({ targetId: BigInt(member) }), context);
    },
  };
}
