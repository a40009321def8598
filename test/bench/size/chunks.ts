/**
 * What a page loads, as Vite builds it for a browser. Chunks are compressed one by one, because that is how they travel; a
 * chunk is at the start if what begins imports it, and later if it is loaded with a call.
 */
import { join, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type InlineConfig, type Rolldown } from "vite";
import { DIST, pageConfig, ROOT } from "../../../worker/local/build.ts";
import { bytesByFile } from "./bytes-by-file.ts";

export type Output = Rolldown.OutputChunk | Rolldown.OutputAsset;

/** A file or a library, and its share of the bytes after compression. Compressed alone, it would be larger. */
export interface Part {
  readonly name: string;
  readonly bytes: number;
}

/** Builds a module as an application's bundle has it: what it exports may share a chunk with what its parts share. */
export function builtLibrary(entry: string, external: readonly string[] = []): Promise<readonly Output[]> {
  const page = pageConfig();
  const rolldownOptions: Rolldown.RolldownOptions = {
    input: join(ROOT, entry),
    preserveEntrySignatures: "allow-extension",
    external: [...external],
  };
  return built({ ...page, root: ROOT, build: { ...page.build, sourcemap: "hidden", rolldownOptions } });
}

export async function built(config: InlineConfig): Promise<readonly Output[]> {
  // Of a library Vite returns a list.
  const [result] = [await build({ ...config, build: { ...config.build, write: false } })].flat();
  if (result === undefined || !("output" in result)) throw new Error("one build was expected");
  return result.output.filter(({ fileName }) => !fileName.endsWith(".map"));
}

/** The chunks that hold these modules, and all that they import without being asked. */
export function chunksWith(outputs: readonly Output[], modules: readonly string[]): readonly Output[] {
  const chunks = outputs.filter((output) => output.type === "chunk");
  const found = new Set(modules.map((module) => chunkWith(chunks, module)));
  for (const { imports } of found) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk);
  }
  return [...found];
}

function chunkWith(chunks: readonly Rolldown.OutputChunk[], module: string): Rolldown.OutputChunk {
  const path = join(ROOT, module);
  const chunk =
    chunks.find(({ facadeModuleId }) => facadeModuleId === path) ??
    chunks.find(({ moduleIds }) => moduleIds.includes(path));
  if (chunk === undefined) throw new Error(`${module} is in no chunk`);
  return chunk;
}

export function total(outputs: readonly Output[]): number {
  return outputs.reduce((sum, output) => sum + compressed(output), 0);
}

/** The largest first. */
export function partsOf(outputs: readonly Output[], nameOf: (file: string) => string): readonly Part[] {
  const parts = new Map<string, number>();
  for (const output of outputs) {
    if (output.type !== "chunk" || output.map === null) continue;
    const { code, map, fileName } = output;
    const perByte = compressed(output) / code.length;
    for (const [source, bytes] of bytesByFile({ code, map })) {
      const name = source === "" ? "the bundler's own" : nameOf(fileOf(fileName, source));
      parts.set(name, (parts.get(name) ?? 0) + bytes * perByte);
    }
  }
  return [...parts].map(([name, bytes]) => ({ name, bytes })).sort((left, right) => right.bytes - left.bytes);
}

/** The path from the root of the tree. In a source map it is relative to the chunk, which is never written. */
function fileOf(chunk: string, source: string): string {
  return relative(ROOT, resolve(DIST, "web", chunk, "..", source));
}

function compressed(output: Output): number {
  return gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
}
