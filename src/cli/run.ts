/** Runs a command line and returns its exit code. */
import { EtcdError, GrpcCode } from "../client/client.ts";
import { CompactedError } from "../client/facade/compacted-error.ts";
import { grpcCodeName } from "../protocol/errors.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import { alarmCommand } from "./commands/alarm.ts";
import { authCommand } from "./commands/auth.ts";
import { backupCommand } from "./commands/backup.ts";
import { clusterCommand } from "./commands/cluster.ts";
import { COMMON_OPTIONS, commandHelp, optionsHelp, parseInput, UsageError } from "./common/command.ts";
import type { Command } from "./common/command.ts";
import { defragCommand } from "./commands/defrag.ts";
import { delCommand } from "./commands/del.ts";
import { nearest } from "./common/did-you-mean.ts";
import { EXIT_CODES_HELP, ExitCode } from "./common/exit-codes.ts";
import { withRoom } from "./common/room-link.ts";
import { downgradeCommand } from "./commands/downgrade.ts";
import { exportCommand } from "./commands/export.ts";
import { getCommand } from "./commands/get.ts";
import { grpcCommand } from "./commands/grpc.ts";
import { hashKvCommand } from "./commands/hashkv.ts";
import { healthCommand } from "./commands/health.ts";
import { importCommand } from "./commands/import.ts";
import { memberCommand } from "./commands/member.ts";
import { moveLeaderCommand } from "./commands/move-leader.ts";
import { putCommand } from "./commands/put.ts";
import { restoreCommand } from "./commands/restore.ts";
import { roleCommand } from "./commands/role.ts";
import { serveCommand } from "./commands/serve.ts";
import { snapshotCommand } from "./commands/snapshot.ts";
import { statusCommand } from "./commands/status.ts";
import type { Terminal } from "./output/terminal.ts";
import { userCommand } from "./commands/user.ts";
import { watchCommand } from "./commands/watch.ts";

const COMMANDS: readonly Command[] = [
  putCommand,
  getCommand,
  delCommand,
  watchCommand,
  statusCommand,
  memberCommand,
  clusterCommand,
  authCommand,
  userCommand,
  roleCommand,
  healthCommand,
  alarmCommand,
  hashKvCommand,
  defragCommand,
  snapshotCommand,
  restoreCommand,
  backupCommand,
  moveLeaderCommand,
  downgradeCommand,
  importCommand,
  exportCommand,
  grpcCommand,
  serveCommand,
];

/** Names that users of other tools type. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  set: "put",
  write: "put",
  read: "get",
  ls: "get",
  list: "get",
  range: "get",
  delete: "del",
  remove: "del",
  rm: "del",
  members: "member",
  clusters: "cluster",
  users: "user",
  roles: "role",
  login: "auth",
  endpoint: "status",
  alarms: "alarm",
  hash: "hashkv",
  defragment: "defrag",
  "transfer-leadership": "move-leader",
  "grpc-proxy": "grpc",
};

export async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [word, ...rest] = args;
  try {
    if (word === undefined) {
      terminal.writeError(topHelp());
      return ExitCode.usage;
    }
    if (word === "--help" || word === "-h" || (word === "help" && rest.length === 0))
      return await tell(terminal, topHelp());
    if (word === "--version") return await tell(terminal, `quorate, with the API of etcd ${SERVER_VERSION}\n`);
    if (word === "help") return await tell(terminal, commandHelp(commandOf(rest[0] ?? "")));
    const command = commandOf(word);
    // Checked before the other arguments are parsed, because they may be wrong when a user asks for help.
    if (asksForHelp(rest)) return await tell(terminal, commandHelp(command));
    return await command.run(withRoom(parseInput(command, rest), command, terminal.env), terminal);
  } catch (error) {
    return explain(error, word, terminal);
  }
}

function commandOf(word: string): Command {
  const found = COMMANDS.find(({ name }) => name === word);
  if (found !== undefined) return found;
  if (word.startsWith("-")) throw new UsageError(`options come after the command: quorate put KEY VALUE ${word} …`);
  const names = COMMANDS.map(({ name }) => name);
  const near = Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word] : nearest(word, names);
  const hint = near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`;
  throw new UsageError(`unknown command "${word}"; ${hint}`);
}

function asksForHelp(rest: readonly string[]): boolean {
  const end = rest.indexOf("--");
  return (end < 0 ? rest : rest.slice(0, end)).some((word) => word === "--help" || word === "-h");
}

function explain(error: unknown, word: string | undefined, terminal: Terminal): ExitCode {
  if (error instanceof UsageError) {
    const command = COMMANDS.some(({ name }) => name === word) ? `quorate ${word} --help` : "quorate --help";
    terminal.writeError(`quorate: ${error.message} (see ${command})\n`);
    return ExitCode.usage;
  }
  if (!(error instanceof EtcdError)) throw error;
  const { code, message } = error;
  if (code === GrpcCode.DeadlineExceeded) {
    terminal.writeError(`quorate: ${message}\n`);
    return ExitCode.unreachable;
  }
  if (code === GrpcCode.Unavailable && !message.startsWith("etcdserver:")) {
    terminal.writeError(`quorate: ${message} (is the server running? see --endpoint)\n`);
    return ExitCode.unreachable;
  }
  const left = error instanceof CompactedError ? `; the oldest left is ${error.compactRevision}` : "";
  terminal.writeError(`quorate: ${message}${left} (${grpcCodeName(code)})\n`);
  return ExitCode.refused;
}

async function tell(terminal: Terminal, text: string): Promise<ExitCode> {
  await terminal.write(text);
  return ExitCode.ok;
}

function topHelp(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`).join("\n");
  return `quorate COMMAND [arguments] [options]

Talks to a Quorate cluster, or to any etcd, over etcd's JSON API.

Commands:
${commands}

Common options:
${optionsHelp(COMMON_OPTIONS)}

quorate COMMAND --help prints more, with examples.

${EXIT_CODES_HELP}
`;
}
