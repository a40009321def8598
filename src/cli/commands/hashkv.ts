/** `quorate hashkv` */
import type { HashKvResponse } from "../../protocol/api/maintenance.ts";
import { UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { CALL, chosenMembers } from "../common/members.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const hashKvCommand: Command = {
  name: "hashkv",
  usage: "[options]",
  summary: "Prints the hash of a member's data at a revision. Exit code 1 when members differ.",
  details: `
The hash is etcd's, so that it can be compared with that of an etcd which has the same history. It is over what
compaction has left: only hashes of equal revision and equal compact revision say something about each other.`,
  options: {
    rev: { type: "string", value: "REVISION", help: "up to this revision; default the newest of the first member" },
    members: { type: "boolean", help: "all members; also --cluster without a name" },
    json: { type: "boolean", help: "print an array with the response of each member" },
  },
  examples: ["quorate hashkv", "quorate hashkv --members", "quorate hashkv --rev 120 --json"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  if (input.positionals.length > 0) throw new UsageError("hashkv takes no arguments");
  let revision = input.wholeNumber("rev", 1) ?? 0;
  const answers: HashKvResponse[] = [];
  const rows: string[][] = [["ID", "NAME", "HASH", "REVISION", "COMPACTED"]];
  for (const { id, name, services } of await chosenMembers(input, terminal)) {
    const answer = await services.maintenance.hashKv({ revision }, CALL);
    answers.push(answer);
    revision = answer.hashRevision;
    rows.push([id.toString(), name, ...[answer.hash, answer.hashRevision, answer.compactRevision].map(String)]);
  }
  await terminal.write(input.flag("json") ? jsonLine(answers.map(hashJson)) : tableText(rows));
  return differ(answers) ? ExitCode.negative : ExitCode.ok;
}

function differ(answers: readonly HashKvResponse[]): boolean {
  const byState = new Map<string, number>();
  return answers.some(({ hash, hashRevision, compactRevision }) => {
    const state = `${hashRevision}/${compactRevision}`;
    const known = byState.get(state) ?? hash;
    byState.set(state, known);
    return known !== hash;
  });
}

function hashJson(answer: HashKvResponse): Readonly<Record<string, string | number>> {
  const { header, hash, hashRevision, compactRevision } = answer;
  return {
    member_id: header.memberId.toString(),
    hash,
    compact_revision: compactRevision,
    hash_revision: hashRevision,
  };
}
