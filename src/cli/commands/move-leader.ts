/** `quorate move-leader`. Only the leader can transfer leadership, so it is looked up among the members' addresses. */
import { EtcdError } from "../../client/client.ts";
import { errNotLeader } from "../../protocol/errors.ts";
import { moveLeaderRequest } from "../../protocol/api/maintenance.ts";
import type { CallContext } from "../../member/api/services.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { memberIdText, parseMemberId } from "../common/member-id.ts";
import type { Terminal } from "../output/terminal.ts";

export const moveLeaderCommand: Command = {
  name: "move-leader",
  usage: "MEMBER [options]",
  summary: "Hands the leadership over to MEMBER, and returns when that one leads.",
  details: `
MEMBER is a name or an id, as \`quorate status\` lists them. An endpoint of one member (…/m/2) is asked itself, and
refuses when it does not lead.`,
  options: {},
  examples: ["quorate move-leader edge-2", "quorate move-leader 8e9e05c52164694d"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [wanted, ...more] = input.positionals;
  if (wanted === undefined || more.length > 0) throw new UsageError("move-leader takes one MEMBER");
  const endpoint = endpointOf(input, terminal.env);
  const services = connectServices(input, terminal, endpoint);
  const context: CallContext = { token: input.text("token") ?? "", requireLeader: false };
  const { members } = await services.cluster.memberList({ linearizable: true }, context);
  const targetId = members.find(({ name }) => name === wanted)?.id ?? idOf(wanted);
  const { leader } = await services.maintenance.status({}, context);
  const base = endpoint.replace(/\/+$/, "");
  const others = /\/m\/\d+$/.test(base)
    ? []
    : members.flatMap(({ clientUrls }, at) => [`${base}/m/${at + 1}`, ...clientUrls]);
  let refused: unknown;
  for (const address of [endpoint, ...others]) {
    try {
      const { maintenance } = connectServices(input, terminal, address);
      await maintenance.moveLeader(moveLeaderRequest({ targetId }), context);
      const from = leader === targetId ? "" : ` from ${memberIdText(leader)}`;
      await terminal.write(`Leadership transferred${from} to ${memberIdText(targetId)}\n`);
      return ExitCode.ok;
    } catch (error) {
      refused ??= error;
      const isElsewhere = error instanceof EtcdError && error.message === errNotLeader.message;
      if (!isElsewhere && address === endpoint) throw error;
      if (!isElsewhere && error instanceof EtcdError && error.message.startsWith("etcdserver:")) throw error;
    }
  }
  throw refused;
}

function idOf(text: string): bigint {
  const id = parseMemberId(text);
  if (id === undefined) throw new UsageError(`there is no member "${text}"; see quorate status`);
  return id;
}
