/**
 * `quorate snapshot`: saves a member's data as a file, and prints what such a file contains. The format is etcd's:
 * etcd's own tools read it, and this command reads their files.
 */
import { open, rename, rm } from "node:fs/promises";
import { equalBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { inspectFile } from "../../member/snapshot/snapshot-import.ts";
import type { FileFacts } from "../../member/snapshot/snapshot-import.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import type { SnapshotResponse } from "../../protocol/api/maintenance.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { systemReason } from "../files/file-tree.ts";
import { jsonLine } from "../output/json-output.ts";
import { Progress } from "../output/progress.ts";
import { withSnapshotFile } from "../files/snapshot-file.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const snapshotCommand: Command = {
  name: "snapshot",
  usage: "save|status FILE [options]",
  summary: "save: writes all data of one revision to FILE. status: prints what FILE contains.",
  details: `
The file is a database of etcd's (bbolt) with its SHA-256 behind it: \`etcdutl snapshot status\` and \`restore\` take it,
and status takes one of etcd's. \`quorate restore FILE\` makes a new cluster of either. FILE is written whole or not at
all. Passwords are hashed in Quorate's way: an etcd that is made of the file knows the users and roles, but has to be
given their passwords again.

Exit code 1 when the file, or what came, is damaged.`,
  options: {
    "write-out": { type: "string", short: "w", value: "FORM", help: "status: simple (default), table, json or fields" },
    quiet: { type: "boolean", short: "q", help: "save: no progress" },
  },
  examples: [
    "quorate snapshot save backup.db",
    "quorate snapshot save backup.db --endpoint http://localhost:8787/m/2",
    "quorate snapshot status backup.db -w table",
  ],
  run,
};

const FORMS = ["simple", "table", "json", "fields"];

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [verb, path, ...more] = input.positionals;
  if ((verb !== "save" && verb !== "status") || path === undefined || more.length > 0) {
    throw new UsageError("snapshot takes save FILE or status FILE");
  }
  const form = input.text("write-out") ?? "simple";
  if (!FORMS.includes(form)) throw new UsageError(`-w takes ${FORMS.join(", ")}, not "${form}"`);
  try {
    if (verb === "save") await save(input, terminal, path);
    else await terminal.write(await statusText(path, form));
    return ExitCode.ok;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    terminal.writeError(`quorate: ${path}: ${error.message}\n`);
    return ExitCode.negative;
  }
}

// ── save ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const HASH_BYTES = 32;

async function save(input: Input, terminal: Terminal, path: string): Promise<void> {
  const services = connectServices(input, terminal, endpointOf(input, terminal.env));
  const part = `${path}.part`;
  const progress = new Progress(terminal, { quiet: input.flag("quiet"), unit: "blobs" });
  const stream = services.maintenance.snapshot({}, { token: input.text("token") ?? "", requireLeader: false });
  const file = await create(part);
  let saved: Saved;
  try {
    saved = await writeAll(stream, file, progress);
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(part, { force: true });
    throw error;
  } finally {
    progress.clear();
  }
  await terminal.write(`Snapshot saved at ${path}\nServer version ${saved.version}, ${sizeText(saved.bytes)}\n`);
}

type FileHandle = Awaited<ReturnType<typeof open>>;

interface Saved {
  readonly version: string;
  readonly bytes: number;
}

/** The last blob is the hash of all previous ones. Nothing else proves that the stream is complete. */
async function writeAll(stream: AsyncIterable<SnapshotResponse>, file: FileHandle, progress: Progress): Promise<Saved> {
  const hash = new Sha256();
  let bytes = 0;
  let version = "";
  let last: Uint8Array | undefined;
  for await (const response of stream) {
    ({ version } = response);
    if (last !== undefined) hash.update(last);
    last = response.blob;
    bytes += last.length;
    // Not `write`, which may write only a part.
    await file.writeFile(last);
    progress.advance(last.length);
  }
  if (last?.length !== HASH_BYTES || !equalBytes(hash.digest(), last)) {
    throw new DecodeError("the stream ended early or was damaged on its way; nothing was saved");
  }
  return { version, bytes: bytes - HASH_BYTES };
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w", 0o600);
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${systemReason(error)}`);
  }
}

// ── status ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** With the texts and the order of etcdutl. */
function statusText(path: string, form: string): Promise<string> {
  return withSnapshotFile(path, ({ reader, hash }) => {
    if (hash === "wrong") throw new DecodeError("its SHA-256 is not that of its data: the file is damaged");
    const facts = inspectFile(reader);
    const { sizeBytes } = reader;
    switch (form) {
      case "json":
        return jsonLine(jsonOf(facts, sizeBytes));
      case "table": {
        const head = ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"];
        return tableText([head, cellsOf(facts, sizeBytes)]);
      }
      case "fields":
        return fieldsText(facts, sizeBytes);
      default:
        return `${cellsOf(facts, sizeBytes).join(", ")}\n`;
    }
  });
}

function jsonOf({ hash, revision, liveKeys, version }: FileFacts, totalSize: number): Record<string, string | number> {
  return { hash, revision, totalKey: liveKeys, totalSize, version };
}

function cellsOf({ hash, revision, liveKeys, version }: FileFacts, sizeBytes: number): readonly string[] {
  return [hash.toString(16), String(revision), String(liveKeys), sizeText(sizeBytes), version];
}

function fieldsText({ hash, revision, liveKeys, version }: FileFacts, sizeBytes: number): string {
  const fields = { Hash: hash, Revision: revision, Keys: liveKeys, Size: sizeBytes, Version: version };
  return Object.entries(fields)
    .map(([name, value]) => `"${name}" : ${value}\n`)
    .join("");
}

/** As etcd's tools print sizes: powers of 1000, two digits. */
function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const rounded = Math.floor(value * 10 + 0.5) / 10;
  return `${unit > 0 && rounded < 10 ? rounded.toFixed(1) : Math.floor(value + 0.5)} ${units[unit]}`;
}
