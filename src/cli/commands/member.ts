/** `quorate member`: lists and changes the members of the cluster. */
import { memberAddRequest, memberListRequest, memberUpdateRequest } from "../../protocol/api/cluster.ts";
import type { Member } from "../../protocol/api/cluster.ts";
import type { ClusterService } from "../../member/api/services.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { memberIdText, parseMemberId } from "../common/member-id.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { CALL } from "../common/members.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const memberCommand: Command = {
  name: "member",
  usage: "list | add URL… | remove ID | update ID URL… | promote ID  [options]",
  summary: "Lists the members of the cluster, adds one, removes one, or changes one.",
  details: `
list     the members; ID in hexadecimal, as in etcdctl
add      a member with these peer URLs, http(s)://HOST:PORT. At the edge nothing else is to be done: it starts by
         itself, as /m/N of the endpoint with the next number. With an etcd behind the endpoint, it is yours to start.
remove   for good: its data is deleted, and its id never comes back
update   a member's peer URLs
promote  a learner that has caught up becomes a voter`,
  options: {
    learner: { type: "boolean", help: "add: as a learner, which has the data and no vote" },
    local: { type: "boolean", help: "list: what the endpoint's member knows, with or without a leader" },
    json: { type: "boolean", help: "print the response as JSON" },
  },
  examples: [
    "quorate member list",
    "quorate member add http://edge-4.quorate:2380 --learner",
    "quorate member promote 8e9e05c52164694d",
    "quorate member remove 8e9e05c52164694d",
  ],
  run,
};

interface Outcome {
  readonly members: readonly Member[];
  /** A message; undefined if the list itself is the output. */
  readonly line: string | undefined;
}

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [word = "", ...rest] = input.positionals;
  if (input.flag("learner") && word !== "add") throw new UsageError("--learner belongs to member add");
  if (input.flag("local") && word !== "list") throw new UsageError("--local belongs to member list");
  // Wrong arguments are reported before any request.
  const call = callOf(word, rest, input);
  const { cluster } = connectServices(input, terminal, endpointOf(input, terminal.env));
  const { members, line } = await call(cluster);
  if (input.flag("json")) await terminal.write(jsonLine({ members: members.map(memberJson) }));
  else await terminal.write(line ?? listText(members));
  return ExitCode.ok;
}

function callOf(word: string, rest: readonly string[], input: Input): (cluster: ClusterService) => Promise<Outcome> {
  switch (word) {
    case "list":
      if (rest.length > 0) throw new UsageError("member list takes no arguments");
      return (cluster) => list(cluster, !input.flag("local"));
    case "add":
      if (rest.length === 0) throw new UsageError("member add takes the peer URLs of the new member");
      return (cluster) => add(cluster, rest, input.flag("learner"));
    case "remove":
    case "promote": {
      const id = idOf(word, rest);
      return (cluster) => (word === "remove" ? remove(cluster, id) : promote(cluster, id));
    }
    case "update": {
      const id = idOf(word, rest.slice(0, 1));
      if (rest.length === 1) throw new UsageError("member update takes the member's new peer URLs");
      return (cluster) => update(cluster, id, rest.slice(1));
    }
    default:
      throw new UsageError("member takes list, add, remove, update or promote");
  }
}

async function list(cluster: ClusterService, linearizable: boolean): Promise<Outcome> {
  const { members } = await cluster.memberList(memberListRequest({ linearizable }), CALL);
  return { members, line: undefined };
}

async function add(cluster: ClusterService, peerUrls: readonly string[], isLearner: boolean): Promise<Outcome> {
  const { member, members } = await cluster.memberAdd(memberAddRequest({ peerUrls, isLearner }), CALL);
  const kind = isLearner ? "learner" : "member";
  return { members, line: `added ${kind} ${memberIdText(member?.id ?? 0n)}, ${members.length} in all\n` };
}

async function remove(cluster: ClusterService, id: bigint): Promise<Outcome> {
  const { members } = await cluster.memberRemove({ id }, CALL);
  return { members, line: `removed member ${memberIdText(id)}, ${members.length} left\n` };
}

async function update(cluster: ClusterService, id: bigint, peerUrls: readonly string[]): Promise<Outcome> {
  const { members } = await cluster.memberUpdate(memberUpdateRequest({ id, peerUrls }), CALL);
  return { members, line: `updated member ${memberIdText(id)}\n` };
}

async function promote(cluster: ClusterService, id: bigint): Promise<Outcome> {
  const { members } = await cluster.memberPromote({ id }, CALL);
  return { members, line: `promoted member ${memberIdText(id)}\n` };
}

function idOf(word: string, rest: readonly string[]): bigint {
  const id = rest.length === 1 ? parseMemberId(rest[0] ?? "") : undefined;
  if (id === undefined) throw new UsageError(`member ${word} takes a member's id, as member list prints it`);
  return id;
}

function listText(members: readonly Member[]): string {
  const rows = members.map(({ id, name, peerUrls, clientUrls, isLearner }) => [
    memberIdText(id),
    name === "" ? "unstarted" : "started",
    name,
    isLearner ? "learner" : "voter",
    peerUrls.join(","),
    clientUrls.join(","),
  ]);
  return tableText([["ID", "STATUS", "NAME", "KIND", "PEER URLS", "CLIENT URLS"], ...rows]);
}

function memberJson({ id, name, peerUrls, clientUrls, isLearner }: Member): {
  readonly [name: string]: string | boolean | readonly string[];
} {
  return { ID: id.toString(), name, peerURLs: peerUrls, clientURLs: clientUrls, isLearner };
}
