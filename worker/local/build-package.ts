/**
 * `npm run build:package`, which `npm pack` runs first: the package as plain JavaScript with its types, into dist/package.
 *
 *     src/entry/*.ts ── tsc ──► dist/package/entry/*.js, *.d.ts   modules as they are, so that bundlers drop what is unused
 *                                 those that connect() loads at its start are one (join-modules.ts)
 *     worker/entry.ts ─ tsc ──► dist/package/worker/*.js, *.d.ts  over the same modules, so that an error's class is one class
 *     peerjs ────────── Vite ─► dist/package/vendor/peerjs.js     without its adapter for the media of old browsers, and its serialization
 *     cli, grpc ─────── Vite ─► dist/package/node/*.js            with grpc-js inside: no user of a page needs to install it
 */
import { execFile } from "node:child_process";
import { chmod, cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "vite";
import { buildWorker, DIST, pageConfig, ROOT } from "./build.ts";
import { readDeployed } from "./deployed.ts";
import { joinModules } from "./join-modules.ts";

const PACKAGE: string = join(DIST, "package");

if (process.argv[1] === import.meta.filename) await buildPackage();

export async function buildPackage(): Promise<void> {
  await rm(PACKAGE, { recursive: true, force: true });
  await emitModules();
  await joinClient(PACKAGE);
  await bundlePeerJs();
  await bundleForNode();
  await bundleForServe();
}

/** What a page needs that calls `connect()`, as it is in the package. `npm run bench -- size` measures it. */
export async function emitClient(folder: string): Promise<void> {
  await emit("src/entry", "src", folder);
  await joinClient(folder);
}

async function joinClient(folder: string): Promise<void> {
  // A room has no use for what speaks HTTP, nor for the parts that it would load by need.
  await joinModules(folder, "client/app/connect.js", {
    "client/start.js": (module) => !speaksHttp(module),
    "client/http/start.js": speaksHttp,
  });
}

/** In the package, src is the root. */
async function emitModules(): Promise<void> {
  const whole = join(DIST, "package-tree");
  await rm(whole, { recursive: true, force: true });
  await Promise.all([emit("src/entry", "src", PACKAGE), emit("worker/tsconfig.package.json", ".", whole)]);
  await cp(join(whole, "src"), PACKAGE, { recursive: true, force: false });
  await cp(join(whole, "worker"), join(PACKAGE, "worker"), { recursive: true });
  await rm(whole, { recursive: true });
  for (const name of await readdir(PACKAGE, { recursive: true })) {
    if (/\.(?:js|d\.ts)$/.test(name)) await withPackagePaths(join(PACKAGE, name));
  }
}

function speaksHttp(module: string): boolean {
  return module.startsWith("client/http/") || module === "client/app/connect.js";
}

async function emit(project: string, rootDir: string, outDir: string): Promise<void> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const options = ["--noEmit", "false", "--rewriteRelativeImportExtensions", "--rootDir", rootDir, "--outDir", outDir];
  try {
    await promisify(execFile)(process.execPath, [compiler, "-p", project, ...options], { cwd: ROOT });
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    throw new Error(`the package's modules cannot be emitted:\n${stdout}`, { cause: error });
  }
}

/**
 * The compiler rewrites the endings of imports in modules, but not in declarations, and does not know that src is the
 * root.
 */
async function withPackagePaths(file: string): Promise<void> {
  const text = await readFile(file, "utf8");
  const moved = text.replaceAll(/((?:from|import) ?\(?")((?:\.\.\/)+)src\//g, "$1$2");
  const named = file.endsWith(".d.ts")
    ? moved.replaceAll(/((?:from|import) ?\(?")(\.{1,2}\/[^"]+)\.ts"/g, '$1$2.js"')
    : moved;
  if (named !== text) await writeFile(file, named);
}

/** As in our own page, where the bundler leaves out what is not used (pageConfig). */
async function bundlePeerJs(): Promise<void> {
  await build({
    ...pageConfig(),
    root: ROOT,
    publicDir: false,
    build: {
      target: "es2023",
      outDir: join(PACKAGE, "vendor"),
      emptyOutDir: true,
      minify: false,
      lib: { entry: join(ROOT, "worker/local/peerjs-parts.ts"), formats: ["es"], fileName: () => "peerjs.js" },
      license: { fileName: "THIRD-PARTY-LICENSES.md" },
    },
  });
  const user = join(PACKAGE, "transport/peerjs.js");
  const text = await readFile(user, "utf8");
  const vendored = text.replace('from "peerjs"', 'from "../vendor/peerjs.js"');
  if (vendored === text) throw new Error("the package's modules do not import peerjs any more");
  await writeFile(user, vendored);
}

/** What `quorate serve` runs: the worker of a process, the page, and the runtime that they are built for. */
async function bundleForServe(): Promise<void> {
  const folder = join(PACKAGE, "serve");
  await buildWorker("worker/process/main.ts", "process.js", folder);
  await buildWorker("worker/local/assets-worker.ts", "assets.js", folder);
  const page = pageConfig();
  await build({ ...page, build: { ...page.build, outDir: join(folder, "page") } });
  const { compatibilityDate, compatibilityFlags } = readDeployed(ROOT);
  await writeFile(join(folder, "runtime.json"), JSON.stringify({ compatibilityDate, compatibilityFlags }));
}

async function bundleForNode(): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    ssr: { noExternal: true, target: "node" },
    build: {
      ssr: true,
      target: "node20",
      outDir: join(PACKAGE, "node"),
      emptyOutDir: true,
      copyPublicDir: false,
      minify: false,
      // Bundled packages keep their licenses.
      license: { fileName: "THIRD-PARTY-LICENSES.md" },
      rolldownOptions: {
        input: { quorate: join(ROOT, "src/cli/main.ts"), grpc: join(ROOT, "src/entry/grpc.ts") },
        output: { entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" },
      },
    },
  });
  await chmod(join(PACKAGE, "node/quorate.js"), 0o755);
}
