/** A snapshot on this machine's disk: etcd's database, followed by its SHA-256. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { equalBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { BoltReader } from "../../protocol/bbolt/bolt-reader.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { UsageError } from "../common/command.ts";
import { systemReason } from "./file-tree.ts";

const HASH_BYTES = 32;
/** The size of a database is a multiple of this. A file that is longer by the length of a hash has one. */
const BLOCK_BYTES = 512;
const READ_BYTES = 1024 * 1024;

export interface SnapshotFile {
  readonly reader: BoltReader;
  /** "missing": a copied database, which never was a snapshot stream. */
  readonly hash: "right" | "wrong" | "missing";
}

/** Throws UsageError if the file does not exist, DecodeError if it is damaged. */
export async function withSnapshotFile<T>(path: string, use: (file: SnapshotFile) => Promise<T> | T): Promise<T> {
  const descriptor = opened(path);
  try {
    const { size } = fstatSync(descriptor);
    const read = (at: number, length: number): Uint8Array => readExactly(descriptor, at, length);
    const hasHash = size % BLOCK_BYTES === HASH_BYTES;
    const sizeBytes = hasHash ? size - HASH_BYTES : size;
    const hash = hasHash ? checkedHash(read, sizeBytes) : "missing";
    return await use({ reader: new BoltReader({ sizeBytes, read }), hash });
  } finally {
    closeSync(descriptor);
  }
}

function opened(path: string): number {
  try {
    const descriptor = openSync(path, "r");
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${systemReason(error)}`);
  }
  throw new UsageError(`${path} is no file`);
}

function checkedHash(read: (at: number, length: number) => Uint8Array, sizeBytes: number): "right" | "wrong" {
  const hash = new Sha256();
  for (let at = 0; at < sizeBytes; at += READ_BYTES) hash.update(read(at, Math.min(READ_BYTES, sizeBytes - at)));
  return equalBytes(hash.digest(), read(sizeBytes, HASH_BYTES)) ? "right" : "wrong";
}

function readExactly(descriptor: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = readSync(descriptor, bytes, done, length - done, at + done);
    if (count === 0) throw new DecodeError("the file ends too early");
    done += count;
  }
  return bytes;
}
