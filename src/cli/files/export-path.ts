/**
 * Maps keys to file paths, safely: a key determines where a file is written, and other clients wrote the keys. A key
 * that would leave the folder, or has an empty name, is rejected. A symbolic link on the way is not followed.
 */
import { lstat, mkdir } from "node:fs/promises";
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import { systemReason } from "./file-tree.ts";

const SLASH = 0x2f;

export type Names = { readonly names: readonly Uint8Array[] } | { readonly refusal: string };

export function pathNames(name: Uint8Array, isWindows: boolean = process.platform === "win32"): Names {
  if (name.length === 0) return { refusal: "nothing is left of the key after the prefix" };
  if (name.includes(0)) return { refusal: "a NUL byte" };
  if (name[0] === SLASH) return { refusal: "an absolute path" };
  const names = split(name);
  for (const part of names) {
    if (part.length === 0) return { refusal: "an empty name between slashes" };
    const text = utf8Decode(part);
    if (text === "." || text === "..") return { refusal: `a path with "${text}"` };
    if (isWindows && /[\\:]/.test(text)) return { refusal: "a name that Windows takes for a path" };
  }
  return { names };
}

/** Folders under one root that are known not to be links. */
export class SafeFolders {
  readonly #known: Map<string, Promise<void>> = new Map();

  /** Creates the folders above the last name, and returns the complete path. */
  async prepare(
    root: Buffer,
    names: readonly Uint8Array[],
  ): Promise<{ readonly folder: Buffer; readonly file: Buffer }> {
    let folder = root;
    for (const name of names.slice(0, -1)) {
      folder = join(folder, name);
      await this.#ensure(folder);
    }
    return { folder, file: join(folder, names.at(-1) ?? utf8Encode("")) };
  }

  #ensure(folder: Buffer): Promise<void> {
    const key = folder.toString("latin1");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const ensured = ensureFolder(folder);
    this.#known.set(key, ensured);
    return ensured;
  }
}

async function ensureFolder(folder: Buffer): Promise<void> {
  try {
    await mkdir(folder);
    return;
  } catch (error) {
    if ((error as { readonly code?: string }).code !== "EEXIST") throw new Error(systemReason(error), { cause: error });
  }
  const status = await lstat(folder);
  if (status.isDirectory()) return;
  const what = status.isSymbolicLink() ? "a symbolic link" : "a file";
  throw new Error(`${what} stands where its folder would be: ${folder.toString()}`);
}

export function join(folder: Buffer, name: Uint8Array): Buffer {
  return Buffer.concat([folder, Buffer.of(SLASH), name]);
}

function split(name: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let start = 0;
  for (let at = name.indexOf(SLASH); at >= 0; at = name.indexOf(SLASH, start)) {
    names.push(name.subarray(start, at));
    start = at + 1;
  }
  names.push(name.subarray(start));
  return names;
}
