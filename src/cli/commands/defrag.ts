/** `quorate defrag` */
import { UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { CALL, chosenMembers } from "../common/members.ts";
import { bytesText } from "../output/progress.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const defragCommand: Command = {
  name: "defrag",
  usage: "[options]",
  summary: "Has a member drop what was compacted and write its data together; prints its size before and after.",
  details: "What Quorate's stores leave behind they use again, so this is needed when space is to be had at once.",
  options: { members: { type: "boolean", help: "all members; also --cluster without a name, one after the other" } },
  examples: ["quorate defrag", "quorate defrag --members"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  if (input.positionals.length > 0) throw new UsageError("defrag takes no arguments");
  const rows: string[][] = [["ID", "NAME", "BEFORE", "AFTER"]];
  for (const { id, name, services } of await chosenMembers(input, terminal)) {
    const before = await services.maintenance.status({}, CALL);
    await services.maintenance.defragment({}, CALL);
    const after = await services.maintenance.status({}, CALL);
    rows.push([id.toString(), name, bytesText(before.dbSize), bytesText(after.dbSize)]);
  }
  await terminal.write(tableText(rows));
  return ExitCode.ok;
}
