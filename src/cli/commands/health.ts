/** `quorate health` */
import { UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { chosenMembers } from "../common/members.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const healthCommand: Command = {
  name: "health",
  usage: "[options]",
  summary: "Prints how a member does, by etcd's checks for readiness. Exit code 1 when one fails.",
  options: {
    members: { type: "boolean", help: "all members; also --cluster without a name" },
    json: { type: "boolean", help: "print an array with the checks of each member" },
  },
  examples: ["quorate health", "quorate health --members", "quorate health --json"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  if (input.positionals.length > 0) throw new UsageError("health takes no arguments");
  const rows: string[][] = [["ID", "NAME", "CHECK", "RESULT"]];
  const told = [];
  let isHealthy = true;
  for (const { id, name, services } of await chosenMembers(input, terminal)) {
    const results = await services.health.probe("readyz");
    isHealthy &&= results.every(({ failure }) => failure === undefined);
    for (const check of results) rows.push([id.toString(), name, check.name, check.failure ?? "ok"]);
    const checks = Object.fromEntries(results.map((check) => [check.name, check.failure ?? "ok"]));
    told.push({ member_id: id.toString(), checks });
  }
  await terminal.write(input.flag("json") ? jsonLine(told) : tableText(rows));
  return isHealthy ? ExitCode.ok : ExitCode.negative;
}
