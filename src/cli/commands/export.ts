/**
 * `quorate export`: writes keys as files, all of one revision, whatever is put meanwhile.
 *
 * Keys are read in pages whose size adapts to the size of the values, so that memory stays bounded. A file appears
 * completely or not at all: it is written next to its path and then renamed.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { concatBytes, prefixEnd } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { Client } from "../../client/client.ts";
import type { KeyValue, RangeResult } from "../../client/common/types.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { join, pathNames, SafeFolders } from "../files/export-path.ts";
import { systemReason } from "../files/file-tree.ts";
import { InFlight } from "../files/in-flight.ts";
import { PermanentError, Retry } from "../files/retry.ts";
import { bytesText, Progress } from "../output/progress.ts";
import { Remarks } from "../output/report.ts";
import type { Terminal } from "../output/terminal.ts";

const PAGE_BYTES = 2 * 1024 * 1024;
const FIRST_PAGE_KEYS = 32;
/** With values of etcd's 1.5 MiB, in base64, a page is still a string that JavaScript can hold. */
const MAX_PAGE_KEYS = 192;
const IN_FLIGHT_FILES = 16;
const IN_FLIGHT_BYTES = 16 * 1024 * 1024;

export const exportCommand: Command = {
  name: "export",
  usage: "DIR [options]",
  summary: "Writes each key as a file below DIR: the prefix is cut off, the rest of the key is the path.",
  details: `
All files are of one revision. Files that are there already are overwritten, others are left alone. Keys that cannot be
a path below DIR are not written, and listed at the end (exit code 5): with "..", an empty name, a NUL byte, an absolute
path, or a key that is a file while another needs it as a folder.`,
  options: {
    prefix: { type: "string", value: "P", help: 'the keys that start with P; default "", all keys' },
    rev: { type: "string", value: "REV", help: "as of this revision; default: the newest" },
    patience: {
      type: "string",
      value: "SECONDS",
      help: "give up when nothing has succeeded for this time; default 30",
    },
    quiet: { type: "boolean", short: "q", help: "no progress" },
  },
  examples: ["quorate export ./backup", "quorate export ./config --prefix config/"],
  run,
};

interface Job {
  readonly client: Client;
  readonly retry: Retry;
  readonly inFlight: InFlight;
  readonly progress: Progress;
  readonly folders: SafeFolders;
  readonly failed: Remarks;
  readonly root: Buffer;
  readonly prefix: Uint8Array;
  readonly tally: { files: number; bytes: number; revision: number };
}

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [folder, ...more] = input.positionals;
  if (folder === undefined || more.length > 0) throw new UsageError("export takes one DIR");
  const job: Job = {
    client: connect(input, terminal),
    retry: new Retry(input.milliseconds("patience", 30_000)),
    inFlight: new InFlight(IN_FLIGHT_FILES, IN_FLIGHT_BYTES),
    progress: new Progress(terminal, { quiet: input.flag("quiet"), unit: "files" }),
    folders: new SafeFolders(),
    failed: new Remarks(),
    root: Buffer.from(folder),
    prefix: utf8Encode(input.text("prefix") ?? ""),
    tally: { files: 0, bytes: 0, revision: input.wholeNumber("rev", 1) ?? 0 },
  };
  let broken: PermanentError | undefined;
  try {
    await exportAll(job, folder);
  } catch (error) {
    if (!(error instanceof PermanentError)) throw error;
    broken = error;
  } finally {
    await job.inFlight.finished();
    job.progress.clear();
  }
  return conclude(job, terminal, broken);
}

async function exportAll(job: Job, folder: string): Promise<void> {
  let from: Uint8Array | undefined = job.prefix;
  let limit = FIRST_PAGE_KEYS;
  let isFirst = true;
  while (from !== undefined) {
    const page = await readPage(job, from, limit, isFirst);
    if (isFirst) {
      job.progress.total = page.count;
      if (page.count > 0) await makeRoot(folder);
    }
    isFirst = false;
    let bytes = 0;
    for (const kv of page.kvs) {
      bytes += kv.value.length;
      await job.inFlight.start(kv.value.length, () => writeKey(job, kv));
    }
    limit = nextLimit(limit, page.kvs.length, bytes);
    const last = page.kvs.at(-1);
    // The smallest key after the last one.
    from = page.more && last !== undefined ? concatBytes(last.key, new Uint8Array(1)) : undefined;
  }
}

async function readPage(job: Job, from: Uint8Array, limit: number, isFirst: boolean): Promise<RangeResult> {
  const { client, retry, prefix, tally } = job;
  const rangeEnd = prefixEnd(prefix);
  const keys = isFirst ? { prefix: true } : { rangeEnd };
  const page = await retry.run(() => client.kv.range(from, { ...keys, limit, revision: tally.revision }));
  if (tally.revision === 0) tally.revision = page.header.revision;
  return page;
}

/** As many keys as fit the target size if they are like the previous ones, but at most twice as many. */
function nextLimit(limit: number, keys: number, bytes: number): number {
  if (keys === 0) return limit;
  const fitting = Math.floor(PAGE_BYTES / Math.max(bytes / keys, 1));
  return Math.max(1, Math.min(fitting, limit * 2, MAX_PAGE_KEYS));
}

async function writeKey(job: Job, { key, value }: KeyValue): Promise<void> {
  const parsed = pathNames(key.subarray(job.prefix.length));
  if ("refusal" in parsed) job.failed.add(key, parsed.refusal);
  else {
    try {
      const { folder, file } = await job.folders.prepare(job.root, parsed.names);
      await writeWhole(folder, file, value);
      job.tally.files++;
      job.tally.bytes += value.length;
    } catch (error) {
      job.failed.add(key, failureText(error));
    }
  }
  job.progress.advance(value.length);
}

async function writeWhole(folder: Buffer, file: Buffer, value: Uint8Array): Promise<void> {
  const temporary = join(folder, Buffer.from(`.quorate-${crypto.randomUUID()}.tmp`));
  try {
    await writeFile(temporary, value, { flag: "wx" });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function conclude(job: Job, terminal: Terminal, broken: PermanentError | undefined): Promise<ExitCode> {
  const { files, bytes, revision } = job.tally;
  const { seconds } = job.progress;
  job.failed.tell(terminal, "Not written");
  if (broken !== undefined && files === 0) throw broken.cause;
  const failed = job.failed.count > 0 ? `, ${job.failed.count} not written` : "";
  const rate = Math.round(files / Math.max(seconds, 0.001));
  await terminal.write(
    `${files} files of revision ${revision}${failed}, ` +
      `${bytes} bytes (${bytesText(bytes)}) in ${seconds.toFixed(2)} s, ${rate} files/s\n`,
  );
  if (broken !== undefined) {
    terminal.writeError(`quorate: broken off: ${broken.message}; run it again\n`);
    return ExitCode.partial;
  }
  if (job.failed.count > 0) return ExitCode.partial;
  return files === 0 ? ExitCode.negative : ExitCode.ok;
}

async function makeRoot(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`cannot make the folder ${folder}: ${systemReason(error)}`);
  }
}

function failureText(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  if (code === "EISDIR" || code === "ENOTEMPTY" || code === "EEXIST") return "a folder stands where its file would be";
  return code === undefined ? message : systemReason(error);
}
