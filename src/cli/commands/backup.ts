/** `quorate backup`: the backups that a deployment keeps of a cluster, in its R2 bucket. */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices, tokenOf } from "../common/connect.ts";
import { postForBody, postTo } from "../common/deployment.ts";
import type { Place } from "../common/deployment.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { bytesText } from "../output/progress.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { restoreFile } from "./restore.ts";

export const backupCommand: Command = {
  name: "backup",
  usage: "list | now | restore NAME --into URL [options]",
  summary: "Lists, writes or restores the backups that a deployment keeps in its R2 bucket.",
  details: `
A deployment with a bucket (BACKUPS in wrangler.toml) writes a backup of every cluster when its cron trigger fires; now
writes one at once. A backup is a snapshot in etcd's format. restore fetches one, checks it whole, and makes a cluster of
it where an empty one is: --into is that cluster's URL, such as https://quorate.example/c/again. Its setup token is
--into-token. Whoever handles backups is root (--user), or while auth is off, the holder of the setup token (--token).

Where the cluster of a backup is lost with its users, the owner of the bucket takes the file from there
(\`npx wrangler r2 object get\`), and \`quorate restore FILE\` makes a cluster of it.`,
  options: {
    into: { type: "string", value: "URL", help: "restore: the empty cluster that becomes the backup's" },
    "into-token": { type: "string", value: "TOKEN", help: "restore: the setup token of that cluster" },
    "auth-off": { type: "boolean", help: "restore: begin with auth disabled; users and roles are kept" },
    json: { type: "boolean", help: "list, now: print JSON" },
    quiet: { type: "boolean", short: "q", help: "restore: no progress" },
  },
  examples: [
    "quorate backup now --user root:PASSWORD",
    "quorate backup list --cluster acme --json",
    "quorate backup restore 2026-11-28T03-17-00.000Z.db --into http://localhost:8787/c/again",
  ],
  run,
};

type Backup = { readonly name: string; readonly bytes: number };

const WHAT = "keep backups";

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [verb, name, ...more] = input.positionals;
  const isRestore = verb === "restore" && name !== undefined;
  if (more.length > 0 || !(isRestore || ((verb === "list" || verb === "now") && name === undefined))) {
    throw new UsageError("backup takes list, now, or restore NAME");
  }
  const place = await placeOf(input, terminal);
  if (isRestore) return restore(input, terminal, place, name);
  if (verb === "now") {
    const backup = await postTo<Backup>(place, "/quorate/backups/now", WHAT);
    await terminal.write(input.flag("json") ? jsonLine(backup) : `${backup.name} (${bytesText(backup.bytes)})\n`);
    return ExitCode.ok;
  }
  const { backups } = await postTo<{ backups: readonly Backup[] }>(place, "/quorate/backups/list", WHAT);
  const rows = backups.map((backup) => [backup.name, bytesText(backup.bytes)]);
  await terminal.write(input.flag("json") ? jsonLine(backups) : tableText([["NAME", "SIZE"], ...rows]));
  return ExitCode.ok;
}

/** With the token of the user, where one is given. */
async function placeOf(input: Input, terminal: Terminal): Promise<Place> {
  const endpoint = endpointOf(input, terminal.env).replace(/\/+$/, "");
  const user = input.text("user") ?? (terminal.env["QUORATE_USER"] || undefined);
  let token = tokenOf(input, terminal);
  if (user !== undefined) {
    const colon = user.indexOf(":");
    const request = { name: user.slice(0, Math.max(colon, 0)), password: user.slice(colon + 1) };
    const { auth } = connectServices(input, terminal, endpoint);
    ({ token } = await auth.authenticate(request, { token: "", requireLeader: false }));
  }
  return { endpoint, timeoutMs: input.milliseconds("timeout", 300_000), token };
}

async function restore(input: Input, terminal: Terminal, place: Place, name: string): Promise<ExitCode> {
  const into = input.text("into");
  if (into === undefined) throw new UsageError("backup restore takes --into URL, the URL of an empty cluster");
  const folder = await mkdtemp(join(tmpdir(), "quorate-backup-"));
  try {
    const path = join(folder, "backup.db");
    const query = new URLSearchParams({ name }).toString();
    await save(await postForBody(place, `/quorate/backups/get?${query}`, WHAT), path);
    const target = { endpoint: into.replace(/\/+$/, ""), token: input.text("into-token") ?? "" };
    return await restoreFile(input, terminal, path, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function save(body: ReadableStream<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}
