/**
 * `quorate status`: prints what the endpoint's member knows, and what each of the others reports about itself. Our
 * members are at `/m/1`, `/m/2`, … of one endpoint; those of an etcd at the client URLs in its member list.
 */
import { createClient } from "../../client/client.ts";
import type { Client, Status } from "../../client/client.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { memberIdText } from "../common/member-id.ts";
import { bytesText } from "../output/progress.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const statusCommand: Command = {
  name: "status",
  usage: "[options]",
  summary: "Prints a table of the members. Exit code 1 when the cluster has no leader.",
  details: `
LAG is how many log entries the member is behind the one that has applied most. A member that does not respond is listed
with what the others know of it.`,
  options: { json: { type: "boolean", help: "print an array with the status of each member that responded" } },
  examples: ["quorate status", "quorate status --endpoint http://localhost:8787/m/2", "quorate status --json"],
  run,
};

/** A list with more members is not a valid response. */
const MAX_MEMBERS = 64;

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  if (input.positionals.length > 0) throw new UsageError("status takes no arguments");
  const endpoint = endpointOf(input, terminal.env);
  const services = connectServices(input, terminal, endpoint);
  const asked = await createClient(services).status();
  const answers = new Map<string, Status>([[asked.id, asked]]);
  const others = await otherEndpoints(endpoint, asked, async () => {
    const { members } = await services.cluster.memberList(
      { linearizable: false },
      { token: input.text("token") ?? "", requireLeader: false },
    );
    return members.filter(({ id }) => id.toString() !== asked.id).flatMap(({ clientUrls }) => clientUrls.slice(0, 1));
  });
  const told = await Promise.all(
    others.map((other) => tryStatus(createClient(connectServices(input, terminal, other)))),
  );
  for (const status of told) {
    if (status !== undefined && status.clusterId === asked.clusterId) answers.set(status.id, status);
  }
  await terminal.write(input.flag("json") ? `${JSON.stringify([...answers.values()])}\n` : textOf(asked, answers));
  if (asked.problem !== undefined) terminal.writeError(`quorate: ${asked.problem.text}\n`);
  return asked.leader === "0" ? ExitCode.negative : ExitCode.ok;
}

async function otherEndpoints(
  endpoint: string,
  asked: Status,
  listed: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (asked.members.length < 2) return [];
  const base = endpoint.replace(/\/+$/, "");
  const ours = asked.members.slice(0, MAX_MEMBERS).map((_, index) => `${base}/m/${index + 1}`);
  const urls = (await listed().catch(() => [])).filter((url) => URL.canParse(url)).slice(0, MAX_MEMBERS);
  // An endpoint of a single member is queried alone.
  return /\/m\/\d+$/.test(base) ? [] : [...ours, ...urls];
}

async function tryStatus(client: Client): Promise<Status | undefined> {
  try {
    return await client.status();
  } catch {
    return undefined;
  }
}

function textOf(asked: Status, answers: ReadonlyMap<string, Status>): string {
  const most = Math.max(...[...answers.values()].map(({ applied }) => applied));
  const rows = asked.members.map(({ id, name, learner, match }) => {
    const idText = memberIdText(BigInt(id));
    const status = answers.get(id);
    if (status === undefined) {
      const lag = match === undefined ? "?" : String(Math.max(most - match, 0));
      return [idText, name, learner ? "learner" : "voter", "no answer", "-", "-", "-", lag, "-"];
    }
    const { role, term, commit, applied, revision, dbSizeBytes } = status;
    const numbers = [term, revision, commit].map(String);
    return [
      idText,
      name,
      learner ? "learner" : "voter",
      role,
      ...numbers,
      String(most - applied),
      bytesText(dbSizeBytes),
    ];
  });
  return tableText([["ID", "NAME", "KIND", "ROLE", "TERM", "REVISION", "COMMIT", "LAG", "SIZE"], ...rows]);
}
