/** `quorate alarm` */
import { alarmRequest } from "../../protocol/api/maintenance.ts";
import type { AlarmMember } from "../../protocol/api/maintenance.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { memberIdText } from "../common/member-id.ts";
import { CALL } from "../common/members.ts";
import type { Terminal } from "../output/terminal.ts";

export const alarmCommand: Command = {
  name: "alarm",
  usage: "list|disarm [options]",
  summary: "Lists the alarms that are raised, or takes them all back.",
  details: `
NOSPACE: a member's data has reached its quota, and nothing may be put until there is room and the alarm is taken back:
delete, compact, "quorate defrag", and then "quorate alarm disarm". CORRUPT: members hold different data, and nothing
may be changed.`,
  options: { json: { type: "boolean", help: "print the response as JSON" } },
  examples: ["quorate alarm list", "quorate alarm disarm"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [word, ...more] = input.positionals;
  if ((word !== "list" && word !== "disarm") || more.length > 0) throw new UsageError("alarm takes list or disarm");
  const { maintenance } = connectServices(input, terminal, endpointOf(input, terminal.env));
  const { alarms } = await maintenance.alarm(alarmRequest(), CALL);
  if (word === "disarm") {
    for (const alarm of alarms) await maintenance.alarm(alarmRequest({ action: "DEACTIVATE", ...alarm }), CALL);
  }
  await terminal.write(input.flag("json") ? jsonLine({ alarms: alarms.map(alarmJson) }) : alarms.map(line).join(""));
  return ExitCode.ok;
}

function line({ memberId, alarm }: AlarmMember): string {
  return `${alarm} ${memberId === 0n ? "cluster" : `member ${memberIdText(memberId)}`}\n`;
}

function alarmJson({ memberId, alarm }: AlarmMember): { readonly memberID: string; readonly alarm: string } {
  return { memberID: memberId.toString(), alarm: String(alarm) };
}
