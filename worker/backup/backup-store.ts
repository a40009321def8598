/**
 * Backups of one cluster in an R2 bucket: files of etcd's format, as `quorate snapshot save` writes them. A file is
 * uploaded in parts while the member reads it, so a snapshot larger than memory is never held whole. It becomes visible
 * only when all of it has arrived and its SHA-256, which ends it, is right.
 *
 *     NAME/ID/2026-11-28T03-00-00.000Z.db       of the first cluster: NAME/first/…
 *
 * The id is part of the folder: a cluster that has the name of a deleted one never sees that one's backups.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import { recordOfKey } from "../common/cluster-record.ts";

export interface Backup {
  readonly name: string;
  readonly bytes: number;
}

/** R2 wants parts of one size, 5 MiB or more, but for the last one. */
const PART_BYTES = 8 * 1024 * 1024;
const HASH_BYTES = 32;
const LIST_MAX = 1_000;
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.db$/;

export class BackupStore {
  readonly #bucket: R2Bucket;
  readonly #folder: string;

  /** `clusterName` is CLUSTER_NAME: the first cluster's name, or another one's key. */
  constructor(bucket: R2Bucket, clusterName: string) {
    this.#bucket = bucket;
    const record = recordOfKey(clusterName);
    this.#folder = record === undefined ? `${encodeURIComponent(clusterName)}/first` : `${record.name}/${record.id}`;
  }

  /** Writes a snapshot. Rejects, and leaves nothing, if it breaks off or is damaged on its way. */
  async write(snapshot: ReadableStream<Uint8Array>, nowMs: number): Promise<Backup> {
    const name = `${new Date(nowMs).toISOString().replaceAll(":", "-")}.db`;
    const upload = await this.#bucket.createMultipartUpload(this.#keyOf(name));
    try {
      const parts: R2UploadedPart[] = [];
      const checked = new CheckedBytes();
      const add = async (bytes: Uint8Array): Promise<void> => {
        parts.push(await upload.uploadPart(parts.length + 1, bytes));
      };
      const part = new PartBuffer(add);
      for await (const chunk of snapshot) {
        await checked.take(chunk);
        await part.take(chunk);
      }
      await part.end();
      if (!(await checked.isRight())) throw new Error("the snapshot ended early or was damaged on its way");
      const { size } = await upload.complete(parts);
      return { name, bytes: size };
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  /** The newest first; at most 1,000. */
  async list(): Promise<readonly Backup[]> {
    const prefix = `${this.#folder}/`;
    const found: Backup[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#bucket.list({ prefix, limit: LIST_MAX, ...(cursor === undefined ? {} : { cursor }) });
      for (const { key, size } of page.objects) {
        const name = key.slice(prefix.length);
        if (NAME.test(name)) found.push({ name, bytes: size });
      }
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor !== undefined);
    return found.sort((left, right) => (left.name < right.name ? 1 : -1)).slice(0, LIST_MAX);
  }

  /** Returns undefined if there is no such backup. */
  async read(name: string): Promise<R2ObjectBody | undefined> {
    return NAME.test(name) ? ((await this.#bucket.get(this.#keyOf(name))) ?? undefined) : undefined;
  }

  /** Deletes all but the newest ones. Returns the number of those that went. */
  async keepNewest(count: number): Promise<number> {
    const old = (await this.list()).slice(Math.max(count, 1));
    if (old.length > 0) await this.#bucket.delete(old.map(({ name }) => this.#keyOf(name)));
    return old.length;
  }

  #keyOf(name: string): string {
    return `${this.#folder}/${name}`;
  }
}

/** Gathers bytes to parts of PART_BYTES. */
class PartBuffer {
  readonly #add: (bytes: Uint8Array) => Promise<void>;
  readonly #bytes: Uint8Array = new Uint8Array(PART_BYTES);
  #length = 0;

  constructor(add: (bytes: Uint8Array) => Promise<void>) {
    this.#add = add;
  }

  async take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + PART_BYTES - this.#length);
      this.#bytes.set(piece, this.#length);
      this.#length += piece.length;
      at += piece.length;
      if (this.#length === PART_BYTES) await this.#flush();
    }
  }

  async end(): Promise<void> {
    if (this.#length > 0) await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#add(this.#bytes.slice(0, this.#length));
    this.#length = 0;
  }
}

/** The last 32 bytes are the SHA-256 of all before them. */
class CheckedBytes {
  readonly #digest = new crypto.DigestStream("SHA-256");
  readonly #writer: WritableStreamDefaultWriter<ArrayBuffer | ArrayBufferView> = this.#digest.getWriter();
  #tail: Uint8Array = new Uint8Array(0);

  async take(chunk: Uint8Array): Promise<void> {
    const joined = new Uint8Array(this.#tail.length + chunk.length);
    joined.set(this.#tail);
    joined.set(chunk, this.#tail.length);
    const end = Math.max(joined.length - HASH_BYTES, 0);
    if (end > 0) await this.#writer.write(joined.subarray(0, end));
    this.#tail = joined.slice(end);
  }

  async isRight(): Promise<boolean> {
    await this.#writer.close();
    return this.#tail.length === HASH_BYTES && equalBytes(new Uint8Array(await this.#digest.digest), this.#tail);
  }
}
