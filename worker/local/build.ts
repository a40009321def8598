/**
 * `npm run build`: the page into dist/web, the worker into dist/worker, with one bundler and without a network.
 *
 * The worker is bundled by Vite rather than by `wrangler deploy --dry-run`: both leave one module in which only
 * `cloudflare:*` is imported, and this takes a tenth of the time, which every first `npm start` waits for. What is
 * deployed is still built by wrangler, from the same sources and wrangler.toml.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type InlineConfig } from "vite";

export const ROOT: string = join(import.meta.dirname, "../..");
export const DIST: string = join(ROOT, "dist");
/** Its time is that of the last build. */
export const STAMP: string = join(DIST, "built");
/** Returns how the page is built; a new object each time, because Vite writes into what it is given. */
export function pageConfig(): InlineConfig {
  return {
    configFile: false,
    root: join(ROOT, "web"),
    logLevel: "warn",
    resolve: { alias: { "webrtc-adapter": join(ROOT, "web/no-webrtc-adapter.ts") } },
    build: { target: "es2023", outDir: join(DIST, "web"), emptyOutDir: true },
  };
}

if (process.argv[1] === import.meta.filename) await buildAll();

export async function buildAll(): Promise<void> {
  const startedMs = Date.now();
  await mkdir(join(DIST, "web"), { recursive: true });
  await Promise.all([
    buildWorker("worker/main.ts", "worker.js"),
    buildWorker("worker/local/assets-worker.ts", "assets.js"),
    buildPage(),
  ]);
  await writeFile(STAMP, "");
  console.log(`built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

async function buildWorker(entry: string, fileName: string): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    build: {
      target: "es2023",
      outDir: join(DIST, "worker"),
      emptyOutDir: false,
      copyPublicDir: false,
      minify: false,
      lib: { entry: join(ROOT, entry), formats: ["es"], fileName: () => fileName },
      // workerd is given one module: what is loaded later elsewhere is in it.
      rolldownOptions: { external: /^cloudflare:/, output: { codeSplitting: false } },
    },
  });
}

/** There is no page yet while the project is young: then the endpoint serves its API alone. */
async function buildPage(): Promise<void> {
  if (existsSync(join(ROOT, "web/index.html"))) await build(pageConfig());
}
