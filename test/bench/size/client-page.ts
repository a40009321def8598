/** A page that imports `connect` from the package and nothing else, as an application's bundler builds it. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { InlineConfig, Plugin } from "vite";
import { emitClient } from "../../../worker/local/build-package.ts";
import { DIST, ROOT } from "../../../worker/local/build.ts";
import { built, chunksWith, type Output, total } from "./chunks.ts";

const FOLDER = join(DIST, "size");
const PACKAGE = join(FOLDER, "package");
const PAGE = join(FOLDER, "index.html");

export interface ClientPage {
  readonly outputs: readonly Output[];
  /** The chunks of a page that loads these modules of the package, beside what it loads at its start. */
  readonly chunksWith: (modules: readonly string[]) => readonly Output[];
  /**
   * What Vite adds to a page's start, in bytes, so that a chunk that is loaded by need comes with all that it imports. It is
   * there once, whatever loads chunks by need; other bundlers have none of it.
   */
  readonly preloading: number;
}

/** Built anew, because a package that was built before may be an older one. */
export async function clientPage(): Promise<ClientPage> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  await emitClient(PACKAGE);
  // As the package's own.
  await writeFile(join(PACKAGE, "package.json"), JSON.stringify({ type: "module", sideEffects: false }));
  await writeFile(PAGE, '<!doctype html><script type="module" src="./main.js"></script>');
  await writeFile(
    join(FOLDER, "main.js"),
    'import { connect } from "./package/entry/index.js";\nglobalThis.client = connect({ endpoint: location.origin });\n',
  );
  const [outputs, ofVite] = await Promise.all([
    page({ plugins: [withoutPreloading], build: { modulePreload: false, sourcemap: "hidden" } }),
    page({}),
  ]);
  const start = (all: readonly Output[]): number => total(chunksWith(all, [relative(ROOT, PAGE)]));
  return {
    outputs,
    chunksWith: (modules) =>
      chunksWith(
        outputs,
        [PAGE, ...modules.map((module) => join(PACKAGE, module))].map((path) => relative(ROOT, path)),
      ),
    preloading: start(ofVite) - start(outputs),
  };
}

async function page({ plugins = [], build }: InlineConfig): Promise<readonly Output[]> {
  const outputs = await built({
    configFile: false,
    root: FOLDER,
    logLevel: "error",
    plugins,
    build: { target: "es2023", ...build },
  });
  return outputs.filter(({ type }) => type === "chunk");
}

const withoutPreloading: Plugin = {
  name: "without-preloading",
  enforce: "pre",
  load: (id) => (id.includes("vite/preload-helper") ? "export const __vitePreload = (load) => load();" : undefined),
};
