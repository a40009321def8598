/** What pages and applications load, and which part of it is for what. */
import { pageConfig } from "../../worker/local/build.ts";
import { type Aim, atMost, type Figure } from "./figures.ts";
import { built, builtLibrary, chunksWith, type Part, partsOf, total } from "./size/chunks.ts";

const COMMAND = "npm run bench -- size";
const ROOM = "src/entry/room.ts";
const ROOM_PAGE = "web/room/start.ts";
const PEERJS = "src/transport/peerjs.ts";
const CLIENT = "test/bench/size/connect-page.ts";
const HOOKS = "src/entry/react.ts";
/** What a page runs that has a live map of a namespace, writes into it and holds a lock. */
const MAPS_AND_LOCKS = [
  "src/client/app/namespace.ts",
  "src/client/app/namespace-keys.ts",
  "src/client/app/live-follower.ts",
  "src/client/app/held-lock.ts",
  "src/client/facade/lease.ts",
  "src/client/facade/lock.ts",
  "src/client/facade/watcher.ts",
  "src/protocol/api/rpc/lease-rpcs.ts",
  "src/protocol/api/rpc/lock-rpcs.ts",
  "src/protocol/api/rpc/watch-rpcs.ts",
];
/** How its watch reaches the endpoint. */
const SOCKET = "src/client/mux/mux-connection.ts";

/** Bytes after compression. */
export interface Sizes {
  /** Until the member runs, but for what carries its messages. */
  readonly memberAtStart: number;
  readonly peerJs: number;
  /** A little later, or with the first call. */
  readonly memberLater: number;
  /** With its looks and peerjs. */
  readonly pageAtStart: number;
  /** Until the first get and put are answered. */
  readonly clientAtStart: number;
  /** With all that a namespace, its live map and a lock need, but for the socket. */
  readonly clientWithMapsAndLocks: number;
  readonly clientSocket: number;
  readonly clientLater: number;
  /** Beside the client and React. */
  readonly hooks: number;
}

interface Measured {
  readonly sizes: Sizes;
  readonly member: readonly Part[];
  readonly memberLater: readonly Part[];
  readonly client: readonly Part[];
  readonly mapsAndLocks: readonly Part[];
}

export async function benchSize(): Promise<readonly Figure[]> {
  const { sizes, member, memberLater, client, mapsAndLocks } = await measure();
  return [
    figure("a room's member at its start, with peerjs", sizes.memberAtStart + sizes.peerJs, atMost(65)),
    figure("a room's member at its start, without peerjs", sizes.memberAtStart, atMost(40)),
    figure("what a room's member loads later", sizes.memberLater, undefined),
    figure("the whole page of a room at its start, with its looks", sizes.pageAtStart, undefined),
    figure("the HTTP client at its start", sizes.clientAtStart, atMost(10)),
    figure("the HTTP client with a namespace, a live map and a lock", sizes.clientWithMapsAndLocks, atMost(14)),
    figure("the HTTP client's shared socket, loaded with the first watch", sizes.clientSocket, undefined),
    figure("what else the HTTP client loads with the first call that needs it", sizes.clientLater, undefined),
    figure("the React hooks, beside the client", sizes.hooks, atMost(2)),
    ...shares("of the HTTP client at its start,", client),
    ...shares("of what a namespace, a live map and a lock add to the HTTP client,", mapsAndLocks),
    ...shares("of a room's member at its start,", member),
    ...shares("of what a room's member loads later,", memberLater),
  ];
}

export async function measureSizes(): Promise<Sizes> {
  return (await measure()).sizes;
}

async function measure(): Promise<Measured> {
  const [member, page, client, react] = await Promise.all([
    builtLibrary(ROOM),
    built(pageConfig()),
    builtLibrary(CLIENT),
    builtLibrary(HOOKS, ["react"]),
  ]);
  const begun = chunksWith(member, [ROOM]);
  const carried = chunksWith(member, [ROOM, PEERJS]);
  const shown = chunksWith(page, ["web/index.html", ROOM_PAGE, PEERJS]);
  const looks = page.filter(({ type }) => type === "asset");
  const clientBegun = chunksWith(client, [CLIENT]);
  const used = chunksWith(client, [CLIENT, ...MAPS_AND_LOCKS]);
  const watching = chunksWith(client, [CLIENT, ...MAPS_AND_LOCKS, SOCKET]);
  const sizes = {
    memberAtStart: total(begun),
    peerJs: total(carried) - total(begun),
    memberLater: total(member) - total(carried),
    pageAtStart: total([...shown, ...looks]),
    clientAtStart: total(clientBegun),
    clientWithMapsAndLocks: total(used),
    clientSocket: total(watching) - total(used),
    clientLater: total(client) - total(watching),
    hooks: total(chunksWith(react, [HOOKS])),
  };
  const without = (some: readonly object[]): typeof client => used.filter((output) => !some.includes(output));
  return {
    sizes,
    member: partsOf(carried, folderOf),
    memberLater: partsOf(
      member.filter((output) => !carried.includes(output)),
      folderOf,
    ),
    client: partsOf(clientBegun, pathOf),
    mapsAndLocks: partsOf(without(clientBegun), pathOf),
  };
}

function figure(name: string, bytes: number, aim: Aim | undefined): Figure {
  return { name: `size: ${name}`, unit: "KB gzip", runs: [bytes / 1000], aim, command: COMMAND };
}

function shares(whole: string, parts: readonly Part[]): readonly Figure[] {
  return parts.map(({ name, bytes }) => figure(`${whole} ${name}`, bytes, undefined));
}

/** A library, or a file of ours. */
function pathOf(file: string): string {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file;
}

/** A library, or a package of ours with its folder. */
function folderOf(file: string): string {
  const path = pathOf(file).split("/");
  return path.length < 2 ? pathOf(file) : path.slice(0, path.length > 3 ? 3 : 2).join("/");
}
