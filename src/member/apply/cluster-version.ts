/**
 * The cluster version, and the downgrade in progress: replicated state, as in etcd. Members of two versions understand
 * each other as long as they keep to the lower one.
 */
import { EMPTY_BYTES, latin1ToBytes } from "../../base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import { CLUSTER_VERSION } from "../../protocol/version.ts";
import type { Bucket } from "../../mvcc/tables/tables.ts";

const VERSION_KEY = latin1ToBytes("clusterVersion");
const DOWNGRADE_KEY = latin1ToBytes("downgrade");

export class ClusterVersion {
  readonly #meta: Bucket;

  constructor(meta: Bucket) {
    this.#meta = meta;
  }

  /** Major, minor, and a zero. */
  get version(): string {
    const stored = this.#meta.get(VERSION_KEY);
    return stored === undefined ? CLUSTER_VERSION : utf8Decode(stored);
  }

  /** Target of the downgrade in progress; undefined without one. */
  get downgradeTarget(): string | undefined {
    const stored = this.#meta.get(DOWNGRADE_KEY);
    return stored === undefined || stored.length === 0 ? undefined : utf8Decode(stored);
  }

  setVersion(version: string): void {
    this.#meta.set(VERSION_KEY, utf8Encode(version));
  }

  setDowngrade(target: string | undefined): void {
    this.#meta.set(DOWNGRADE_KEY, target === undefined ? EMPTY_BYTES : utf8Encode(target));
  }
}
