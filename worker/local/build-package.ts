/**
 * `npm run build:package`, which `npm pack` runs first: the package as plain JavaScript with its types, into dist/package.
 *
 *     src/entry/*.ts ── tsc ──► dist/package/entry/*.js, *.d.ts   modules as they are, so that bundlers drop what is unused
 *     cli, grpc ─────── Vite ─► dist/package/node/*.js            with grpc-js inside: no user of a page needs to install it
 */
import { execFile } from "node:child_process";
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "vite";
import { DIST, ROOT } from "./build.ts";

const PACKAGE: string = join(DIST, "package");

if (process.argv[1] === import.meta.filename) await buildPackage();

export async function buildPackage(): Promise<void> {
  await rm(PACKAGE, { recursive: true, force: true });
  await emitModules();
  await bundleForNode();
}

async function emitModules(): Promise<void> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const options = ["--noEmit", "false", "--rewriteRelativeImportExtensions", "--rootDir", "src", "--outDir", PACKAGE];
  try {
    await promisify(execFile)(process.execPath, [compiler, "-p", "src/entry", ...options], { cwd: ROOT });
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    throw new Error(`the package's modules cannot be emitted:\n${stdout}`, { cause: error });
  }
  for (const name of await readdir(PACKAGE, { recursive: true })) {
    if (name.endsWith(".d.ts")) await withJsEndings(join(PACKAGE, name));
  }
}

/** The compiler rewrites the endings of imports in modules, not in their declarations. */
async function withJsEndings(file: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replaceAll(/((?:from|import) ?\(?")(\.{1,2}\/[^"]+)\.ts"/g, '$1$2.js"'));
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
      // What is inside keeps its authors' terms.
      license: { fileName: "THIRD-PARTY-LICENSES.md" },
      rolldownOptions: {
        input: { quorate: join(ROOT, "src/cli/main.ts"), grpc: join(ROOT, "src/entry/grpc.ts") },
        output: { entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" },
      },
    },
  });
  await chmod(join(PACKAGE, "node/quorate.js"), 0o755);
}
