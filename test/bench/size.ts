/**
 * What a page loads, minified and compressed, as Vite builds it for a browser. Chunks are compressed one by one, because
 * that is how they travel; a chunk is at the start if what begins imports it, and later if it is loaded with a call.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type InlineConfig, type Rolldown } from "vite";
import { pageConfig, ROOT } from "../../worker/local/build.ts";
import { type Aim, atMost, type Figure } from "./figures.ts";

const COMMAND = "npm run bench -- size";
const ROOM = "src/entry/room.ts";
const ROOM_PAGE = "web/room/start.ts";
const PEERJS = "src/transport/peerjs.ts";
const CLIENT = "test/bench/size/http-client.ts";

type Output = Rolldown.OutputChunk | Rolldown.OutputAsset;

/** Bytes after compression. */
export interface Sizes {
  /** Until the member runs, but for what carries its messages. */
  readonly memberAtStart: number;
  readonly peerJs: number;
  /** A little later, or with the first call. */
  readonly memberLater: number;
  /** With its looks and peerjs. */
  readonly pageAtStart: number;
  readonly clientAtStart: number;
  readonly clientLater: number;
}

export async function benchSize(): Promise<readonly Figure[]> {
  const sizes = await measureSizes();
  return [
    figure("a room's member at its start, with peerjs", sizes.memberAtStart + sizes.peerJs, atMost(65)),
    figure("a room's member at its start, without peerjs", sizes.memberAtStart, atMost(40)),
    figure("what a room's member loads later", sizes.memberLater, undefined),
    figure("the whole page of a room at its start, with its looks", sizes.pageAtStart, undefined),
    figure("the HTTP client at its start", sizes.clientAtStart, atMost(10)),
    figure("what the HTTP client loads with the first call that needs it", sizes.clientLater, undefined),
  ];
}

export async function measureSizes(): Promise<Sizes> {
  const [member, page, client] = await Promise.all([built(library(ROOM)), built(pageConfig()), built(library(CLIENT))]);
  const begun = startOf(member, [ROOM]);
  const carried = startOf(member, [ROOM, PEERJS]);
  const shown = startOf(page, ["web/index.html", ROOM_PAGE, PEERJS]);
  const looks = page.filter(({ type }) => type === "asset");
  const clientBegun = startOf(client, [CLIENT]);
  return {
    memberAtStart: total(begun),
    peerJs: total(carried) - total(begun),
    memberLater: total(member) - total(carried),
    pageAtStart: total([...shown, ...looks]),
    clientAtStart: total(clientBegun),
    clientLater: total(client) - total(clientBegun),
  };
}

function figure(name: string, bytes: number, aim: Aim | undefined): Figure {
  return { name: `size: ${name}`, unit: "KB gzip", runs: [bytes / 1000], aim, command: COMMAND };
}

/** The page's own settings, for a module of it without the rest. */
function library(entry: string): InlineConfig {
  const page = pageConfig();
  return {
    ...page,
    root: ROOT,
    build: { ...page.build, rolldownOptions: { input: join(ROOT, entry), preserveEntrySignatures: "strict" } },
  };
}

async function built(config: InlineConfig): Promise<readonly Output[]> {
  const result = await build({ ...config, build: { ...config.build, write: false } });
  if (!("output" in result)) throw new Error("one build was expected");
  return result.output;
}

/** The chunks of these modules, and all that they import without being asked. */
function startOf(outputs: readonly Output[], modules: readonly string[]): readonly Output[] {
  const chunks = outputs.filter((output) => output.type === "chunk");
  const found = new Set(modules.map((module) => chunkOf(chunks, module)));
  for (const { imports } of found) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk);
  }
  return [...found];
}

function chunkOf(chunks: readonly Rolldown.OutputChunk[], module: string): Rolldown.OutputChunk {
  const chunk = chunks.find(({ facadeModuleId }) => facadeModuleId === join(ROOT, module));
  if (chunk === undefined) throw new Error(`${module} has no chunk of its own`);
  return chunk;
}

function total(outputs: readonly Output[]): number {
  return outputs.reduce((sum, output) => sum + compressed(output), 0);
}

function compressed(output: Output): number {
  return gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
}
