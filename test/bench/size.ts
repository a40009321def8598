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

/** A package that a room's member loads at its start. */
interface Part {
  readonly name: string;
  /** Its share of the bytes after compression. Compressed alone, a part would be larger. */
  readonly bytes: number;
}

export async function benchSize(): Promise<readonly Figure[]> {
  const { sizes, parts } = await measure();
  return [
    figure("a room's member at its start, with peerjs", sizes.memberAtStart + sizes.peerJs, atMost(65)),
    figure("a room's member at its start, without peerjs", sizes.memberAtStart, atMost(40)),
    figure("what a room's member loads later", sizes.memberLater, undefined),
    figure("the whole page of a room at its start, with its looks", sizes.pageAtStart, undefined),
    figure("the HTTP client at its start", sizes.clientAtStart, atMost(10)),
    figure("what the HTTP client loads with the first call that needs it", sizes.clientLater, undefined),
    ...parts.map(({ name, bytes }) => figure(`of a room's member at its start, ${name}`, bytes, undefined)),
  ];
}

export async function measureSizes(): Promise<Sizes> {
  return (await measure()).sizes;
}

/** The parts are those of the member with peerjs, the largest first. */
async function measure(): Promise<{ readonly sizes: Sizes; readonly parts: readonly Part[] }> {
  const [member, page, client] = await Promise.all([built(library(ROOM)), built(pageConfig()), built(library(CLIENT))]);
  const begun = startOf(member, [ROOM]);
  const carried = startOf(member, [ROOM, PEERJS]);
  const shown = startOf(page, ["web/index.html", ROOM_PAGE, PEERJS]);
  const looks = page.filter(({ type }) => type === "asset");
  const clientBegun = startOf(client, [CLIENT]);
  const sizes = {
    memberAtStart: total(begun),
    peerJs: total(carried) - total(begun),
    memberLater: total(member) - total(carried),
    pageAtStart: total([...shown, ...looks]),
    clientAtStart: total(clientBegun),
    clientLater: total(client) - total(clientBegun),
  };
  return { sizes, parts: partsOf(carried) };
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

/** Shares by the length of the code before it is minified and compressed, which is all that the bundler tells. */
function partsOf(outputs: readonly Output[]): readonly Part[] {
  const parts = new Map<string, number>();
  for (const output of outputs) {
    if (output.type !== "chunk") continue;
    const modules = Object.entries(output.modules);
    const length = modules.reduce((sum, [, { renderedLength }]) => sum + renderedLength, 0);
    for (const [id, { renderedLength }] of modules) {
      const name = partOf(id);
      const bytes = (compressed(output) * renderedLength) / Math.max(length, 1);
      parts.set(name, (parts.get(name) ?? 0) + bytes);
    }
  }
  return [...parts].map(([name, bytes]) => ({ name, bytes })).sort((left, right) => right.bytes - left.bytes);
}

/** A package of ours with its folder, or a library. */
function partOf(id: string): string {
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1];
  if (dependency !== undefined) return dependency;
  const path = id.startsWith(ROOT) ? id.slice(ROOT.length + 1).split("/") : [];
  return path.length < 2 ? "the bundler's own" : path.slice(0, path.length > 3 ? 3 : 2).join("/");
}

function total(outputs: readonly Output[]): number {
  return outputs.reduce((sum, output) => sum + compressed(output), 0);
}

function compressed(output: Output): number {
  return gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
}
