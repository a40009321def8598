/**
 * `npm run build`: builds the page into dist/web and the worker into dist/worker, with one bundler and without a
 * network.
 *
 * Vite bundles the worker instead of `wrangler deploy --dry-run`. Both produce one module that imports only
 * `cloudflare:*`, and Vite takes a tenth of the time, for which every first `npm start` waits. Deployments are still
 * built by wrangler, from the same sources and wrangler.toml.
 */
import { existsSync } from "node:fs";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type InlineConfig } from "vite";

export const ROOT: string = join(import.meta.dirname, "../..");
export const DIST: string = join(ROOT, "dist");
/** Its modification time is that of the last build. */
export const STAMP: string = join(DIST, "built");
/** Returns the configuration of the page's build. A new object each time, because Vite modifies it. */
export function pageConfig(): InlineConfig {
  return {
    configFile: false,
    root: join(ROOT, "web"),
    logLevel: "warn",
    resolve: {
      alias: {
        "webrtc-adapter": join(ROOT, "web/no-webrtc-adapter.ts"),
        "peerjs-js-binarypack": join(ROOT, "web/no-binarypack.ts"),
      },
    },
    build: { target: "es2023", outDir: join(DIST, "web"), emptyOutDir: true },
  };
}

if (process.argv[1] === import.meta.filename) await buildAll();

export async function buildAll(): Promise<void> {
  const startedMs = Date.now();
  await mkdir(join(DIST, "web"), { recursive: true });
  await Promise.all([
    buildWorker("worker/main.ts", "worker.js"),
    buildWorker("worker/process/main.ts", "process.js"),
    buildWorker("worker/local/assets-worker.ts", "assets.js"),
    buildPage().then(() => Promise.all([buildClient(), buildServiceWorker()])),
  ]);
  await writeFile(STAMP, "");
  console.log(`built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

/** Builds one module for workerd into `outDir`. `external` are imports that workerd resolves. */
export async function buildWorker(
  entry: string,
  fileName: string,
  outDir: string = join(DIST, "worker"),
  external: RegExp = /^cloudflare:/,
): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    build: {
      target: "es2023",
      outDir,
      emptyOutDir: false,
      copyPublicDir: false,
      minify: false,
      lib: { entry: join(ROOT, entry), formats: ["es"], fileName: () => fileName },
      // workerd loads one module: lazily loaded code is part of it.
      rolldownOptions: { external, output: { codeSplitting: false } },
    },
  });
}

/** Builds the client as one module, for pages without a bundler. Comes after the page, which empties the folder. */
async function buildClient(): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    build: {
      target: "es2022",
      outDir: join(DIST, "web"),
      emptyOutDir: false,
      copyPublicDir: false,
      minify: true,
      lib: { entry: join(ROOT, "src/entry/index.ts"), formats: ["es"], fileName: () => "quorate.js" },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

/** Builds the service worker, which knows the files of this version of the page. Comes after the page. */
async function buildServiceWorker(): Promise<void> {
  const web = join(DIST, "web");
  const names = (await readdir(join(web, "assets"))).sort();
  const hash = createHash("sha256");
  for (const name of ["index.html", ...names.map((each) => `assets/${each}`)])
    hash.update(await readFile(join(web, name)));
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    define: {
      PAGE_FILES: JSON.stringify(names.map((name) => `/assets/${name}`)),
      PAGE_VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)),
    },
    build: {
      target: "es2023",
      outDir: web,
      emptyOutDir: false,
      copyPublicDir: false,
      minify: true,
      lib: { entry: join(ROOT, "web/service-worker/service-worker.ts"), formats: ["es"], fileName: () => "sw.js" },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
}

/** An early version of the project has no page; then the endpoint serves only its API. */
async function buildPage(): Promise<void> {
  if (existsSync(join(ROOT, "web/index.html"))) await build(pageConfig());
}
