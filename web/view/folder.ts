/**
 * The files of a folder that somebody has chosen or dropped. Names are relative to that folder, as `quorate import`
 * makes them; where several things are dropped at once, each keeps its own name in front.
 */
import type { UploadFile } from "../model/upload.ts";

export interface Folder {
  readonly name: string;
  readonly files: readonly UploadFile[];
}

/** Lists the files of an `<input type="file" webkitdirectory>`. */
export function chosenFolder(files: FileList): Folder {
  const [first] = files;
  const name = first?.webkitRelativePath.split("/")[0] ?? "";
  return {
    name,
    files: Array.from(files, (file) => uploadFile(file, file.webkitRelativePath.slice(name.length + 1))),
  };
}

/** The browser forgets what was dropped when the event is over, so the entries are taken at once. */
export function droppedFolder(transfer: DataTransfer): Promise<Folder> {
  const entries = Array.from(transfer.items).flatMap((item) => item.webkitGetAsEntry() ?? []);
  return readEntries(entries);
}

async function readEntries(entries: readonly FileSystemEntry[]): Promise<Folder> {
  const files: UploadFile[] = [];
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && isDirectory(only)) {
    for (const child of await children(only)) await collect(child, "", files);
    return { name: only.name, files };
  }
  for (const entry of entries) await collect(entry, "", files);
  return { name: entries.length === 1 ? (only?.name ?? "") : `${entries.length} things`, files };
}

async function collect(entry: FileSystemEntry, path: string, files: UploadFile[]): Promise<void> {
  const name = `${path}${entry.name}`;
  if (isDirectory(entry)) for (const child of await children(entry)) await collect(child, `${name}/`, files);
  else if (isFile(entry)) files.push(await entryFile(entry, name));
}

/** Returns the file, also if it cannot be opened: reading it gives the reason. */
async function entryFile(entry: FileSystemFileEntry, key: string): Promise<UploadFile> {
  try {
    return uploadFile(await new Promise<File>((resolve, reject) => entry.file(resolve, reject)), key);
  } catch (error) {
    return { key, sizeBytes: 0, read: () => Promise.reject(error) };
  }
}

/** Reads all entries. The browser's reader gives a hundred at a time, and none at the end. */
async function children(directory: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function uploadFile(file: File, key: string): UploadFile {
  return { key, sizeBytes: file.size, read: async () => new Uint8Array(await file.arrayBuffer()) };
}

function isDirectory(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}
