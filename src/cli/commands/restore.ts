/**
 * `quorate restore`: creates a new cluster from a snapshot. The file is read and checked here and sent as rows, in
 * chunks. The members of an empty cluster apply it in one step and become another cluster, or stay what they were.
 */
import { createClient } from "../../client/client.ts";
import { Sha256 } from "../../base/sha256.ts";
import { toBase64 } from "../../base/text-codes.ts";
import { inspectFile, restoreChunks } from "../../member/snapshot/snapshot-import.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices, tokenOf } from "../common/connect.ts";
import { postTo } from "../common/deployment.ts";
import type { Place } from "../common/deployment.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { bytesText, Progress } from "../output/progress.ts";
import { withSnapshotFile } from "../files/snapshot-file.ts";
import type { SnapshotFile } from "../files/snapshot-file.ts";
import type { Terminal } from "../output/terminal.ts";

export const restoreCommand: Command = {
  name: "restore",
  usage: "FILE [options]",
  summary: "Makes a new cluster of FILE, a snapshot of Quorate's or etcd's, where an empty cluster is.",
  details: `
The endpoint's cluster must be one that nothing was ever written to: a new deployment, \`npm start -- --data DIR\` with
a new DIR, one member of \`quorate serve\` that others join later, or a room (--room) whose objects alone have ever voted;
its tabs come into the restored cluster by themselves. It becomes another cluster, with ids of its own.
Keys keep their revisions and versions, leases begin with their whole time to live, users, roles and whether auth is
on stay as they were. If anything breaks before the end, the cluster is as empty as it was. An endpoint that is closed
takes its setup token (--token, or QUORATE_TOKEN).

Users keep their passwords, those of an etcd too, but for hashes that cost too much to verify here (an etcd's
--bcrypt-cost above 12). So that no user is locked out, a file with such ones and auth enabled needs --auth-off; set
those passwords again (\`etcdctl user passwd\`) and enable auth again.

Exit code 1 when the file is damaged.`,
  options: {
    "bump-revision": { type: "string", value: "N", help: "let the revision jump by N; with --mark-compacted" },
    "mark-compacted": { type: "boolean", help: "all before the jump is compacted, so that old watches get an error" },
    "skip-hash-check": { type: "boolean", help: "take a file without a hash (a copied database), or with a wrong one" },
    "auth-off": { type: "boolean", help: "begin with auth disabled; users and roles are kept" },
    quiet: { type: "boolean", short: "q", help: "no progress" },
  },
  examples: [
    "quorate restore backup.db",
    "quorate restore backup.db --bump-revision 1000000000 --mark-compacted",
    "quorate restore member/snap/db --skip-hash-check",
  ],
  run,
};

const ALL_THERE_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 200;

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [path, ...more] = input.positionals;
  if (path === undefined || more.length > 0) throw new UsageError("restore takes one FILE");
  const bumpRevision = input.wholeNumber("bump-revision", 0) ?? 0;
  // As in etcdutl: a jump without the mark would let old watches continue over the gap as if nothing had happened.
  if (bumpRevision > 0 !== input.flag("mark-compacted")) {
    throw new UsageError("--mark-compacted is required with --bump-revision, and takes it");
  }
  const endpoint = endpointOf(input, terminal.env).replace(/\/+$/, "");
  return restoreFile(input, terminal, path, { endpoint, token: tokenOf(input, terminal) }, bumpRevision);
}

/** Sends a file to the empty cluster at `target`, after it was checked whole. */
export async function restoreFile(
  input: Input,
  terminal: Terminal,
  path: string,
  target: Pick<Place, "endpoint" | "token">,
  bumpRevision: number = 0,
): Promise<ExitCode> {
  try {
    return await withSnapshotFile(path, async (file) => {
      checkHash(file, input.flag("skip-hash-check"));
      return restore(input, terminal, target, file, bumpRevision);
    });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    terminal.writeError(`quorate: ${path}: ${error.message}\n`);
    return ExitCode.negative;
  }
}

function checkHash({ hash }: SnapshotFile, skip: boolean): void {
  if (skip || hash === "right") return;
  throw new DecodeError(
    hash === "wrong"
      ? "its SHA-256 is not that of its data: the file is damaged (--skip-hash-check takes it nevertheless)"
      : "it has no SHA-256 behind it; a database that was copied needs --skip-hash-check",
  );
}

async function restore(
  input: Input,
  terminal: Terminal,
  { endpoint, token }: Pick<Place, "endpoint" | "token">,
  { reader }: SnapshotFile,
  bumpRevision: number,
): Promise<ExitCode> {
  const facts = inspectFile(reader);
  const authOff = input.flag("auth-off");
  if (facts.authEnabled && facts.foreignPasswords > 0 && !authOff) {
    terminal.writeError(
      `quorate: auth is enabled in it, and ${facts.foreignPasswords} passwords have hashes that cannot be verified ` +
        "here: their users could not log in. --auth-off restores it with auth disabled; nothing was done\n",
    );
    return ExitCode.negative;
  }
  const progress = new Progress(terminal, { quiet: input.flag("quiet"), unit: "pieces" });
  const place = { endpoint, timeoutMs: input.milliseconds("timeout", 60_000), token };
  const { restore: id } = await post<{ readonly restore: string }>(place, "begin", {});
  const hash = new Sha256();
  let bytes = 0;
  let ended: { readonly revision: number; readonly members: number };
  try {
    let piece = 0;
    for (const chunk of restoreChunks(reader, facts, { bumpRevision, authOff })) {
      hash.update(chunk);
      bytes += chunk.length;
      await post(place, "chunk", { restore: id, piece: String(piece++) }, chunk);
      progress.advance(chunk.length);
    }
    ended = await post(place, "commit", { restore: id, sha256: toBase64(hash.digest()) });
  } catch (error) {
    await post(place, "abort", { restore: id }).catch(() => {});
    throw error;
  } finally {
    progress.clear();
  }
  await allThere(input, terminal, endpoint, ended);
  await terminal.write(
    `Restored ${facts.liveKeys} keys at revision ${ended.revision} (${bytesText(bytes)}) on ${ended.members} members\n`,
  );
  return ExitCode.ok;
}

/** The cluster is complete once committed. This only waits until the last member has caught up. */
async function allThere(
  input: Input,
  terminal: Terminal,
  endpoint: string,
  { revision, members }: { readonly revision: number; readonly members: number },
): Promise<void> {
  const untilMs = Date.now() + ALL_THERE_WITHIN_MS;
  for (let number = 1; number <= members;) {
    const status = await createClient(connectServices(input, terminal, `${endpoint}/m/${number}`))
      .status()
      .catch(() => undefined);
    if (status !== undefined && status.revision >= revision) number += 1;
    else if (Date.now() > untilMs) {
      terminal.writeError(`quorate: restored, but member ${number} has not caught up yet\n`);
      return;
    } else await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
  }
}

function post<T>(
  place: Place,
  step: string,
  query: Readonly<Record<string, string>>,
  body: Uint8Array = new Uint8Array(),
): Promise<T> {
  return postTo(place, `/quorate/restore/${step}?${new URLSearchParams(query).toString()}`, "restore", body);
}
