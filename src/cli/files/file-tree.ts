/**
 * The regular files below a folder, in the order of their names, with the reasons why other things are none of them.
 *
 * Names are bytes, as in the file system and as keys are: nothing is lost on a name that is not UTF-8. Links are never
 * followed, so the walk ends and stays below its folder.
 *
 * Not a library: glob, fast-glob and Node's own take names for text, and follow or hide what is skipped here with a reason.
 */
import { constants } from "node:fs";
import type { Dirent } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { compareBytes, concatBytes } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";

export interface TreeFile {
  /** Relative to the folder, with "/" between the names. */
  readonly name: Uint8Array;
  readonly path: Buffer;
}

export type Skip = (name: Uint8Array, reason: string) => void;

export type FileContent =
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  | { readonly type: "too-large" }
  | { readonly type: "unreadable"; readonly reason: string };

const SLASH: Uint8Array = utf8Encode("/");

/** Throws if the folder itself cannot be read. */
export async function* walkFiles(folder: string, skip: Skip): AsyncGenerator<TreeFile, void, undefined> {
  const root = Buffer.from(folder);
  const entries = await readdir(root, { encoding: "buffer", withFileTypes: true });
  yield* walkEntries(root, new Uint8Array(0), entries, skip);
}

async function* walkEntries(
  folder: Buffer,
  folderName: Uint8Array,
  entries: Dirent<Buffer>[],
  skip: Skip,
): AsyncGenerator<TreeFile, void, undefined> {
  entries.sort((left, right) => compareBytes(left.name, right.name));
  for (const entry of entries) {
    const name = folderName.length === 0 ? new Uint8Array(entry.name) : concatBytes(folderName, SLASH, entry.name);
    const path = Buffer.concat([folder, SLASH, entry.name]);
    if (entry.isFile()) yield { name, path };
    else if (!entry.isDirectory()) skip(name, kindOf(entry));
    else {
      const below = await readFolder(path, (reason) => skip(name, reason));
      yield* walkEntries(path, name, below, skip);
    }
  }
}

async function readFolder(path: Buffer, skip: (reason: string) => void): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(path, { encoding: "buffer", withFileTypes: true });
  } catch (error) {
    skip(`unreadable folder: ${systemReason(error)}`);
    return [];
  }
}

/** Returns the whole content; undefined if it is longer than `maxBytes`. */
export async function readWhole(path: Buffer, maxBytes: number): Promise<FileContent> {
  try {
    // The file may have been replaced since it was listed: do not follow a link, do not wait for a pipe.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile()) return { type: "unreadable", reason: "not a regular file any more" };
      if (status.size > maxBytes) return { type: "too-large" };
      const bytes = await file.readFile();
      return bytes.length > maxBytes ? { type: "too-large" } : { type: "bytes", bytes };
    } finally {
      await file.close();
    }
  } catch (error) {
    return { type: "unreadable", reason: `unreadable: ${systemReason(error)}` };
  }
}

/** Returns "permission denied" for "EACCES: permission denied, open '/etc/shadow'". */
export function systemReason(error: unknown): string {
  const { message, code } = error as { readonly message?: string; readonly code?: string };
  const [, reason] = /^\w+: ([^,]+),/.exec(message ?? "") ?? [];
  return reason ?? code ?? String(message ?? error);
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isSymbolicLink()) return "symbolic link";
  if (entry.isSocket()) return "socket";
  if (entry.isFIFO()) return "pipe";
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "device" : "not a regular file";
}
