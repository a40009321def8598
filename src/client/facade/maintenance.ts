/** What keeps a cluster running: a copy of its data, another leader. */
import { equalBytes } from "../../base/bytes.ts";
import { loadedOnce } from "../../member/api/lazy-service.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { moveLeaderRequest } from "../../protocol/api/maintenance.ts";

export interface MaintenanceClient {
  /**
   * All data of one revision as a file of etcd's (bbolt, with its SHA-256 at the end), a part at a time. Leaving the loop
   * ends it; it throws when what came is not whole.
   */
  snapshot(): AsyncIterable<Uint8Array>;
  /** At the leader only. Resolves when the member of this id (decimal) leads. */
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
