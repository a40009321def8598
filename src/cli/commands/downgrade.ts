/** `quorate downgrade` */
import { downgradeRequest } from "../../protocol/api/maintenance.ts";
import type { DowngradeAction } from "../../protocol/api/maintenance.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import type { Terminal } from "../output/terminal.ts";

export const downgradeCommand: Command = {
  name: "downgrade",
  usage: "validate VERSION | enable VERSION | cancel",
  summary: "Lets the cluster keep to the minor version before its own, so that members of that version can join.",
  options: {},
  examples: ["quorate downgrade validate 3.6", "quorate downgrade enable 3.6", "quorate downgrade cancel"],
  run,
};

const ACTIONS: Readonly<Record<string, DowngradeAction>> = { validate: "VALIDATE", enable: "ENABLE", cancel: "CANCEL" };
const DONE: Readonly<Record<string, string>> = {
  validate: "Downgrade validate success, cluster version",
  enable: "Downgrade enable success, cluster version",
  cancel: "Downgrade cancel success, cluster version",
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [verb = "", version = "", ...more] = input.positionals;
  const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
  const takesVersion = action !== "CANCEL";
  if (action === undefined || more.length > 0 || takesVersion === (version === "")) {
    throw new UsageError("downgrade takes validate VERSION, enable VERSION, or cancel");
  }
  const { maintenance } = connectServices(input, terminal, endpointOf(input, terminal.env));
  const context = { token: input.text("token") ?? "", requireLeader: false };
  const answer = await maintenance.downgrade(downgradeRequest({ action, version }), context);
  await terminal.write(`${DONE[verb]} ${answer.version}\n`);
  return ExitCode.ok;
}
