/** `quorate cluster`: the clusters of a deployment, beside its first one. */
import { latin1ToBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { toHex } from "../../base/text-codes.ts";
import { newRoom, roomTarget } from "../common/room-link.ts";
import { changeShape } from "../common/room-shape.ts";
import type { Shape } from "../common/room-shape.ts";
import { deploymentOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { tokenOf } from "../common/connect.ts";
import { postTo } from "../common/deployment.ts";
import type { Place } from "../common/deployment.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { jsonLine } from "../output/json-output.ts";
import { tableText } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";

export const clusterCommand: Command = {
  name: "cluster",
  usage: "create NAME | list | shape LINK | delete NAME | key LINK [options]",
  summary: "Creates, lists, changes or deletes the clusters that a deployment has beside its first one.",
  details: `
Each cluster has members, users, tokens, limits and alarms of its own. It is served at URL/c/NAME/, and every command
takes --cluster NAME. Whoever manages clusters shows the deployment's setup token (--token, or QUORATE_TOKEN), unless the
endpoint is open. CLUSTERS of the deployment says which names there may be.

create prints a setup token that opens the new cluster alone: give it to whoever is to own it, for \`quorate auth init\`.
With --shape edge the cluster is a room, too: browser tabs become members of it by the link that create prints, as learners,
and every command takes --room LINK. With --shape mixed tabs vote together with an object, and go on while the server cannot
be reached. shape changes a room to another one of edge, mixed and tabs through its log, while it is in use. A room of tabs gets an object
as soon as one of its tabs is open; a room whose tabs are to vote alone loses its objects, and what they hold, when enough tabs
are open. key prints what opens a room's cluster for others: the token that follows from its link.

delete erases everything that the cluster's members have stored, and cannot be undone. The name may be used again, for
another, empty cluster.`,
  options: {
    size: { type: "string", value: "N", help: "create: 1, 3 or 5 members; default as the first cluster" },
    locations: { type: "string", value: "LIST", help: "create: hints where the members are to be, as weur,enam,apac" },
    shape: {
      type: "string",
      value: "SHAPE",
      help: "create, shape: a room; edge: its objects vote and its tabs are learners; mixed: both vote; shape also: tabs",
    },
    jurisdiction: { type: "string", value: "NAME", help: "create: where all data stays: eu, us or fedramp" },
    yes: { type: "boolean", help: "delete: I know that everything in it will be gone" },
    json: { type: "boolean", help: "create, list: print JSON" },
  },
  examples: [
    "quorate cluster create staging",
    "quorate cluster create acme --size 3 --locations weur,weur,enam",
    "quorate put greeting hello --cluster staging",
    "quorate cluster create planning --shape edge",
    "quorate cluster shape https://example.com/?room=planning#k=… --shape mixed",
    "quorate cluster delete staging --yes",
  ],
  run,
};

type Listed = {
  readonly name: string;
  readonly size: number;
  readonly locations: string;
  readonly jurisdiction: string;
  /** Milliseconds since 1970. */
  readonly created: number;
};

type Created = Omit<Listed, "created"> & {
  readonly setup_token?: string;
};

const WHAT = "manage clusters";
const PAGE = 1_000;

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [verb, name = "", ...more] = input.positionals;
  const isVerb = ["create", "list", "shape", "delete", "key"].includes(verb ?? "");
  if (more.length > 0 || (verb === "list") !== (name === "") || !isVerb) {
    throw new UsageError("cluster takes create NAME, list, shape LINK, delete NAME, or key LINK");
  }
  if (verb === "key") {
    await terminal.write(`${roomTarget(name).key}\n`);
    return ExitCode.ok;
  }
  if (verb === "shape") return reshape(input, terminal, name);
  const endpoint = deploymentOf(input, terminal.env).replace(/\/+$/, "");
  const place = { endpoint, timeoutMs: input.milliseconds("timeout", 60_000), token: tokenOf(input, terminal) };
  if (verb === "create") return create(input, terminal, place, name);
  if (verb === "list") return list(input, terminal, place);
  return remove(input, terminal, place, name);
}

async function create(input: Input, terminal: Terminal, place: Place, name: string): Promise<ExitCode> {
  const size = input.wholeNumber("size", 1);
  const shape = shapeOf(input);
  if (shape === "tabs") throw new UsageError("a room of tabs is founded by the first tab that opens its link");
  const room = shape === undefined ? undefined : newRoom(place.endpoint, name);
  const body = JSON.stringify({
    name,
    ...(size === undefined ? {} : { size }),
    locations: input.text("locations") ?? "",
    jurisdiction: input.text("jurisdiction") ?? "",
    ...(room === undefined ? {} : { room: hashOf(room.key) }),
  });
  const created = await postTo<Created>(place, "/quorate/clusters/create", WHAT, body);
  if (room !== undefined && shape === "mixed") await changeShape(place.timeoutMs, room, shape);
  const link = room === undefined ? {} : { link: room.link };
  if (input.flag("json")) await terminal.write(jsonLine({ ...created, ...link }));
  else
    await terminal.write(
      room === undefined ? createdText(created, place.endpoint) : roomText(created, shape, room.link),
    );
  return ExitCode.ok;
}

async function reshape(input: Input, terminal: Terminal, link: string): Promise<ExitCode> {
  const shape = shapeOf(input);
  if (shape === undefined) throw new UsageError("shape takes the room’s link, and --shape edge, mixed or tabs");
  const room = roomTarget(link);
  await changeShape(input.milliseconds("timeout", 60_000), room, shape);
  await terminal.write(`Room ${room.name}: ${VOTERS[shape]}\n`);
  return ExitCode.ok;
}

const VOTERS: Readonly<Record<Shape, string>> = {
  edge: "its objects vote, and its tabs are learners",
  mixed: "its objects and its tabs vote together",
  tabs: "its tabs vote, and the server has nothing of it any more",
};

function shapeOf(input: Input): Shape | undefined {
  const shape = input.text("shape");
  if (shape === undefined || shape === "edge" || shape === "mixed" || shape === "tabs") return shape;
  throw new UsageError(`--shape takes "edge", "mixed" or "tabs", not "${shape}"; without it the cluster is no room`);
}

/** What the server keeps of a room's key. */
function hashOf(key: string): string {
  return toHex(new Sha256().update(latin1ToBytes(key)).digest());
}

function roomText({ name, size }: Created, shape: Shape | undefined, link: string): string {
  const objects = `${size} ${size === 1 ? "object votes" : "objects vote"}`;
  const others =
    shape === "mixed" ? "together with the tabs that open this link" : "and whoever opens this link is a learner";
  return `Room ${name} created: ${objects}, ${others}:

  ${link}

Its secret is in no other place. For commands and servers:

  QUORATE_ROOM="${link}" npx quorate get "" --prefix
`;
}

function createdText({ name, size, setup_token: token }: Created, endpoint: string): string {
  const done = `Cluster ${name} created: ${size} ${size === 1 ? "member" : "members"}, at ${endpoint}/c/${name}/\n`;
  if (token === undefined) return done;
  return `${done}
It is closed until auth is enabled in it. This setup token opens it, and no other cluster:

  QUORATE_TOKEN=${token} npx quorate auth init --endpoint ${endpoint} --cluster ${name}
`;
}

async function list(input: Input, terminal: Terminal, place: Place): Promise<ExitCode> {
  const all: Listed[] = [];
  for (let more = true; more;) {
    const body = JSON.stringify({ after: all.at(-1)?.name ?? "", limit: PAGE });
    const page = await postTo<{ clusters: readonly Listed[]; more: boolean }>(
      place,
      "/quorate/clusters/list",
      WHAT,
      body,
    );
    all.push(...page.clusters);
    more = page.more && page.clusters.length > 0;
  }
  if (input.flag("json")) await terminal.write(jsonLine(all));
  else {
    const rows = all.map(({ name, size, locations, jurisdiction, created }) => {
      return [name, String(size), locations || "-", jurisdiction || "-", new Date(created).toISOString()];
    });
    await terminal.write(tableText([["NAME", "MEMBERS", "LOCATIONS", "JURISDICTION", "CREATED"], ...rows]));
  }
  return ExitCode.ok;
}

async function remove(input: Input, terminal: Terminal, place: Place, name: string): Promise<ExitCode> {
  if (!input.flag("yes")) throw new UsageError(`delete erases all that ${name} holds, for ever; say --yes if it shall`);
  const { erased } = await postTo<{ erased: boolean }>(
    place,
    "/quorate/clusters/delete",
    WHAT,
    JSON.stringify({ name }),
  );
  const later = erased ? "" : "; some of its members could not be reached and are erased later";
  await terminal.write(`Cluster ${name} deleted${later}\n`);
  return ExitCode.ok;
}
