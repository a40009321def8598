/** What pages and applications load, and which part of it is for what. */
import { pageConfig } from "../../worker/local/build.ts";
import { type Aim, atMost, type Figure } from "./figures.ts";
import { built, builtLibrary, chunksWith, type Output, type Part, partsOf, total } from "./size/chunks.ts";
import { clientPage } from "./size/client-page.ts";
import { startWithout, TRIALS } from "./size/without.ts";

const COMMAND = "npm run bench -- size";
const ROOM = "src/entry/room.ts";
const ROOM_PAGE = "web/room/start.ts";
const PEERJS = "src/transport/peerjs.ts";
const HOOKS = "src/entry/react.ts";
/** What a page loads that has a live map of a namespace, writes into it and holds a lock. */
const MAPS_AND_LOCKS = ["client/app/app-parts.js", "client/facade/common-facades.js", "client/http/common-services.js"];
/** How its watch reaches the endpoint. */
const SOCKET = "client/http/shared-socket.js";

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
  /** What Vite adds to the start of the first page that loads anything by need. */
  readonly vitePreloading: number;
  /** Beside the client and React. */
  readonly hooks: number;
}

interface Measured {
  readonly sizes: Sizes;
  readonly member: readonly Part[];
  readonly memberLater: readonly Part[];
  readonly mapsAndLocks: readonly Part[];
}

export async function benchSize(): Promise<readonly Figure[]> {
  const { sizes, member, memberLater, mapsAndLocks } = await measure();
  const whole = await startWithout([]);
  return [
    figure("a room's member at its start, with peerjs", sizes.memberAtStart + sizes.peerJs, atMost(65)),
    figure("a room's member at its start, without peerjs", sizes.memberAtStart, atMost(40)),
    figure("what a room's member loads later", sizes.memberLater, undefined),
    figure("the whole page of a room at its start, with its looks", sizes.pageAtStart, undefined),
    figure("the HTTP client at its start", sizes.clientAtStart, atMost(10)),
    figure("the HTTP client with a namespace, a live map and a lock", sizes.clientWithMapsAndLocks, atMost(14)),
    figure("the HTTP client's shared socket, loaded with the first watch", sizes.clientSocket, undefined),
    figure("what else the HTTP client loads with the first call that needs it", sizes.clientLater, undefined),
    figure("what Vite adds to the first page that loads anything by need", sizes.vitePreloading, undefined),
    figure("the React hooks, beside the client", sizes.hooks, atMost(2)),
    ...(await Promise.all(
      TRIALS.map(async (trial) =>
        figure(`of the HTTP client at its start, ${trial.name}`, whole - (await startWithout([trial])), undefined),
      ),
    )),
    figure(
      "the HTTP client at its start, if it could get and put keys and nothing else",
      await startWithout(TRIALS.filter(({ isSpare }) => isSpare)),
      undefined,
    ),
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
    clientPage(),
    builtLibrary(HOOKS, ["react"]),
  ]);
  const begun = chunksWith(member, [ROOM]);
  const carried = chunksWith(member, [ROOM, PEERJS]);
  const shown = chunksWith(page, ["web/index.html", ROOM_PAGE, PEERJS]);
  const looks = page.filter(({ type }) => type === "asset");
  const clientBegun = client.chunksWith([]);
  const used = client.chunksWith(MAPS_AND_LOCKS);
  const watching = client.chunksWith([...MAPS_AND_LOCKS, SOCKET]);
  const sizes = {
    memberAtStart: total(begun),
    peerJs: total(carried) - total(begun),
    memberLater: total(member) - total(carried),
    pageAtStart: total([...shown, ...looks]),
    clientAtStart: total(clientBegun),
    clientWithMapsAndLocks: total(used),
    clientSocket: total(watching) - total(used),
    clientLater: total(client.outputs) - total(watching),
    vitePreloading: client.preloading,
    hooks: total(chunksWith(react, [HOOKS])),
  };
  const without = (all: readonly Output[], some: readonly object[]): readonly Output[] =>
    all.filter((output) => !some.includes(output));
  return {
    sizes,
    member: partsOf(carried, folderOf),
    memberLater: partsOf(without(member, carried), folderOf),
    mapsAndLocks: partsOf(without(used, clientBegun), pathOf),
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
