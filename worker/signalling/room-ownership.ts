/** Whose room it is, as it is stored: the claim, and the access that the claim chose. */
import { recordOfKey } from "../common/cluster-record.ts";
import { type Access, accessOf, type StoredAccess } from "./room-access.ts";
import { isClaimFresh, type RoomClaim, type RoomClaimSlot } from "./room-claims.ts";
import { edgeClaim } from "./room-cluster.ts";

export class RoomOwnership {
  readonly #kv: SyncKvStorage;
  readonly #onClosed: (keyHash: string) => void;

  /** `onClosed` is called with the hash of the key that the room requires from now on. */
  constructor(kv: SyncKvStorage, onClosed: (keyHash: string) => void) {
    this.#kv = kv;
    this.#onClosed = onClosed;
  }

  get slot(): RoomClaimSlot {
    return {
      get: () => this.#kv.get<RoomClaim>("founding"),
      put: (founding) => this.#kv.put("founding", founding),
      delete: () => void this.#kv.delete("founding"),
    };
  }

  get storedAccess(): StoredAccess | undefined {
    return this.#kv.get<StoredAccess>("access");
  }

  access(nowMs: number): Access {
    return accessOf(this.storedAccess, this.slot.get(), nowMs);
  }

  choose(access: StoredAccess): void {
    this.#kv.put("access", access);
    if (access.keyHash !== undefined) this.#onClosed(access.keyHash);
  }

  /** The claim was confirmed by whoever made it. */
  fix(): void {
    const stored = this.storedAccess;
    if (stored?.fixed === false) this.#kv.put("access", { ...stored, fixed: true });
  }

  isTaken(nowMs: number): boolean {
    const founding = this.slot.get();
    return founding !== undefined && (founding.confirmed || isClaimFresh(founding, nowMs));
  }

  /** False: the room belongs to somebody else. */
  takeForCluster(key: string, nowMs: number): boolean {
    const { room } = recordOfKey(key) ?? { room: "" };
    const access = this.access(nowMs);
    const isForIt = access.type === "free" || (access.type === "closed" && access.keyHash === room);
    if (room === "" || !isForIt || this.isTaken(nowMs)) return false;
    this.choose({ keyHash: room, fixed: true });
    this.slot.put(edgeClaim(key, nowMs, true));
    return true;
  }

  releaseFromCluster(key: string): void {
    if (this.slot.get()?.edgeKey !== key) return;
    this.slot.delete();
    this.#kv.delete("access");
  }
}
