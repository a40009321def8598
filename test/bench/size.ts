/**
 * What a page loads, minified and compressed, as Vite builds it for a browser. Chunks are compressed one by one, because
 * that is how they travel.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type InlineConfig, type Rolldown } from "vite";
import { PAGE, ROOT } from "../../worker/local/build.ts";
import { type Aim, atMost, type Figure } from "./figures.ts";

const COMMAND = "npm run bench -- size";
const PEERJS = /\/peerjs(-[\w-]+)?\.js$/;

interface Output {
  readonly name: string;
  readonly bytes: number;
}

export async function benchSize(): Promise<readonly Figure[]> {
  const member = await loaded(library("web/room/start.ts"), () => true);
  const page = await loaded(PAGE, (chunk) => !chunk.moduleIds.some((id) => id.includes("/web/edge/")));
  const client = await loaded(library("test/bench/size/http-client.ts"), () => true);
  const withoutPeerJs = (outputs: readonly Output[]): number =>
    total(outputs.filter(({ name }) => !PEERJS.test(`/${name}`)));
  return [
    figure("a room's member, with peerjs", total(member), atMost(65)),
    figure("a room's member, without peerjs", withoutPeerJs(member), atMost(40)),
    figure("the whole page of a room, with its looks", total(page), undefined),
    figure("the HTTP client alone", total(client), atMost(10)),
  ];
}

function figure(name: string, bytes: number, aim: Aim | undefined): Figure {
  return { name: `size: ${name}`, unit: "KB gzip", runs: [bytes / 1000], aim, command: COMMAND };
}

/** The page's own settings, for a module of it without the rest. */
function library(entry: string): InlineConfig {
  return {
    ...PAGE,
    root: ROOT,
    build: { ...PAGE.build, rolldownOptions: { input: join(ROOT, entry), preserveEntrySignatures: "strict" } },
  };
}

async function loaded(
  config: InlineConfig,
  isLoaded: (chunk: Rolldown.OutputChunk) => boolean,
): Promise<readonly Output[]> {
  const result = await build({ ...config, build: { ...config.build, write: false } });
  if (!("output" in result)) throw new Error("one build was expected");
  return result.output.flatMap((output): readonly Output[] => {
    if (output.type === "chunk") {
      if (!isLoaded(output)) return [];
      return [{ name: output.fileName, bytes: gzipSync(output.code, { level: 9 }).length }];
    }
    return [{ name: output.fileName, bytes: gzipSync(output.source, { level: 9 }).length }];
  });
}

function total(outputs: readonly Output[]): number {
  return outputs.reduce((sum, { bytes }) => sum + bytes, 0);
}
