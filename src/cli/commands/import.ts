/**
 * `quorate import`: puts the files of a folder, one key per file.
 *
 * Files are processed in batches. First one read-only transaction gets what the server has under the batch's keys. (A
 * single count detects an empty store, and no more is read then.) Equal values are skipped, the others are put
 * concurrently. So a second run after an interruption costs no write for what the server has.
 */
import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { concatBytes, equalBytes } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import { EtcdError } from "../../client/client.ts";
import type { Client } from "../../client/client.ts";
import { op } from "../../client/facade/txn.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { readWhole, systemReason, walkFiles } from "../files/file-tree.ts";
import { InFlight } from "../files/in-flight.ts";
import { PermanentError, Retry } from "../files/retry.ts";
import { bytesText, Progress } from "../output/progress.ts";
import { Remarks, shownName } from "../output/report.ts";
import type { Terminal } from "../output/terminal.ts";

/** etcd's limit of a request, minus what it has beside key and value. */
const MAX_FILE_BYTES = 1.5 * 1024 * 1024 - 512;
/**
 * Far below the 128 operations of a txn, and few enough that the response stays small if the server's values are large.
 */
const BATCH_FILES = 64;
const BATCH_BYTES = 1024 * 1024;
const IN_FLIGHT_BYTES = 16 * 1024 * 1024;

export const importCommand: Command = {
  name: "import",
  usage: "DIR [options]",
  summary: "Puts each regular file below DIR as a key: its path relative to DIR, after the prefix.",
  details: `
Names and contents are taken byte for byte. Links are not followed; they, sockets, devices and unreadable files are
skipped, and listed at the end. A file over the request limit of 1.5 MiB is an error (exit code 5), the others go on.
It can be run again after a break: what the server has already is not put again. While the server is away, it waits
and tries again, for as long as --patience says.`,
  options: {
    prefix: {
      type: "string",
      value: "P",
      help: 'before each relative path; default "", so DIR/a/b becomes the key a/b',
    },
    concurrency: { type: "string", value: "N", help: "puts at once; default 64" },
    serializable: { type: "boolean", help: "compare with the endpoint's member's own state, which may be behind" },
    force: { type: "boolean", help: "put all files without reading what the server has" },
    acknowledged: {
      type: "string",
      value: "FILE",
      help: "append each key to FILE, a line, once its put is acknowledged",
    },
    patience: {
      type: "string",
      value: "SECONDS",
      help: "give up when nothing has succeeded for this time; default 30",
    },
    quiet: { type: "boolean", short: "q", help: "no progress" },
  },
  examples: [
    "quorate import ./config --prefix config/",
    "quorate import /etc",
    "quorate import site --concurrency 256",
  ],
  run,
};

interface Candidate {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

interface Job {
  readonly client: Client;
  readonly retry: Retry;
  readonly inFlight: InFlight;
  readonly progress: Progress;
  readonly skipped: Remarks;
  readonly failed: Remarks;
  readonly acknowledge: (key: Uint8Array) => void;
  readonly serializable: boolean;
  readonly tally: { put: number; unchanged: number; bytes: number };
  hopeless: PermanentError | undefined;
}

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [folder, ...more] = input.positionals;
  if (folder === undefined || more.length > 0) throw new UsageError("import takes one DIR");
  checkFolder(folder);
  const concurrency = input.wholeNumber("concurrency", 1) ?? 64;
  const prefix = utf8Encode(input.text("prefix") ?? "");
  const acknowledged = openAcknowledged(input.text("acknowledged"));
  const job: Job = {
    client: connect(input, terminal),
    retry: new Retry(input.milliseconds("patience", 30_000)),
    inFlight: new InFlight(concurrency, IN_FLIGHT_BYTES),
    progress: new Progress(terminal, { quiet: input.flag("quiet"), unit: "files" }),
    skipped: new Remarks(),
    failed: new Remarks(),
    acknowledge: acknowledged.append,
    serializable: input.flag("serializable"),
    tally: { put: 0, unchanged: 0, bytes: 0 },
    hopeless: undefined,
  };
  const counting = countFiles(folder, job);
  try {
    await importAll(job, folder, prefix, input.flag("force"));
  } catch (error) {
    if (!(error instanceof PermanentError)) throw error;
    job.hopeless ??= error;
  } finally {
    await job.inFlight.finished();
    await counting;
    acknowledged.close();
    job.progress.clear();
  }
  return conclude(job, terminal);
}

/** For the progress bar only, concurrently with the import. */
async function countFiles(folder: string, job: Job): Promise<void> {
  let files = 0;
  try {
    for await (const _ of walkFiles(folder, () => {})) {
      files++;
      if (job.hopeless !== undefined) return;
    }
    job.progress.total = files;
  } catch {
    // The import itself meets the same error and reports it.
  }
}

async function importAll(job: Job, folder: string, prefix: Uint8Array, force: boolean): Promise<void> {
  const asks = !force && (await hasKeys(job, prefix));
  let batch: Candidate[] = [];
  let batchBytes = 0;
  const send = async (): Promise<void> => {
    const sent = batch;
    batch = [];
    batchBytes = 0;
    for (const candidate of asks ? await changedOf(job, sent) : sent) await startPut(job, candidate);
  };
  for await (const { name, path } of walkFiles(folder, (skippedName, reason) => job.skipped.add(skippedName, reason))) {
    if (job.hopeless !== undefined) return;
    const key = concatBytes(prefix, name);
    const content = await readWhole(path, MAX_FILE_BYTES - key.length);
    if (content.type === "unreadable") job.skipped.add(name, content.reason);
    else if (content.type === "too-large") job.failed.add(name, "over the request limit of 1.5 MiB");
    else {
      if (batchBytes + content.bytes.length > BATCH_BYTES) await send();
      batch.push({ key, bytes: content.bytes });
      batchBytes += content.bytes.length;
      if (batch.length === BATCH_FILES) await send();
      continue;
    }
    job.progress.advance(0);
  }
  await send();
}

async function hasKeys({ client, retry, serializable }: Job, prefix: Uint8Array): Promise<boolean> {
  const options = { prefix: true, countOnly: true, serializable };
  const { count } = await retry.run(() => client.kv.range(prefix, options));
  return count > 0;
}

/** Returns the files of the batch that the server does not have in this form. */
async function changedOf(job: Job, batch: readonly Candidate[]): Promise<readonly Candidate[]> {
  if (batch.length === 0) return [];
  const { client, retry, serializable } = job;
  const reads = batch.map(({ key }) => op.range(key, { serializable }));
  const { responses } = await retry.run(() =>
    client.kv
      .txn()
      .then(...reads)
      .commit(),
  );
  return batch.filter(({ bytes }, index) => {
    const response = responses[index];
    const [kv] = response?.type === "range" ? response.range.kvs : [];
    if (kv === undefined || !equalBytes(kv.value, bytes)) return true;
    job.tally.unchanged++;
    job.progress.advance(bytes.length);
    return false;
  });
}

function startPut(job: Job, { key, bytes }: Candidate): Promise<void> {
  return job.inFlight.start(key.length + bytes.length, async () => {
    if (job.hopeless !== undefined) return;
    try {
      await job.retry.run(() => job.client.kv.put(key, bytes));
      job.acknowledge(key);
      job.tally.put++;
      job.tally.bytes += bytes.length;
    } catch (error) {
      if (error instanceof PermanentError) job.hopeless ??= error;
      else job.failed.add(key, error instanceof EtcdError ? error.message : String(error));
    }
    job.progress.advance(bytes.length);
  });
}

async function conclude(job: Job, terminal: Terminal): Promise<ExitCode> {
  const { put, unchanged, bytes } = job.tally;
  const { seconds } = job.progress;
  job.skipped.tell(terminal, "Skipped");
  job.failed.tell(terminal, "Failed");
  const rate = Math.round((put + unchanged) / Math.max(seconds, 0.001));
  const failed = job.failed.count > 0 ? `, ${job.failed.count} failed` : "";
  await terminal.write(
    `${put} files put, ${unchanged} unchanged, ${job.skipped.count} skipped${failed}, ` +
      `${bytes} bytes (${bytesText(bytes)}) in ${seconds.toFixed(2)} s, ${rate} files/s\n`,
  );
  if (job.hopeless !== undefined) {
    if (put + unchanged === 0) throw job.hopeless.cause;
    terminal.writeError(`quorate: broken off: ${job.hopeless.message}; run it again to go on\n`);
    return ExitCode.partial;
  }
  return job.failed.count > 0 ? ExitCode.partial : ExitCode.ok;
}

function checkFolder(folder: string): void {
  try {
    if (!statSync(folder).isDirectory()) throw new UsageError(`${folder} is not a folder`);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`cannot read ${folder}: ${systemReason(error)}`);
  }
}

/** Written synchronously to the kernel, so that a killed import leaves no acknowledged key unlisted. */
function openAcknowledged(file: string | undefined): {
  readonly append: (key: Uint8Array) => void;
  readonly close: () => void;
} {
  if (file === undefined) return { append: () => {}, close: () => {} };
  let descriptor: number;
  try {
    descriptor = openSync(file, "a");
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${systemReason(error)}`);
  }
  return {
    append: (key) => void writeSync(descriptor, `${shownName(key)}\n`),
    close: () => closeSync(descriptor),
  };
}
