/** Makes projects outside the tree and installs the tarball into them. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { command } from "./command.ts";

const ROOT: string = join(import.meta.dirname, "../..");
const PROJECTS: string = join(import.meta.dirname, "projects");

const PEERS: Readonly<Record<string, readonly string[]>> = {
  types: ["react@19.3.1", "@types/react@19.3.3"],
  worker: ["@cloudflare/workers-types@5.20261117.1"],
};

/** Tools that are taken from this project instead, so that an installation is quick. */
const TOOLS: ReadonlySet<string> = new Set(["vite", "wrangler"]);

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  target: "es2023",
  module: "esnext",
  moduleResolution: "bundler",
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
};

/** Returns the folder of a project of test/foreign/projects. */
export async function installProject(folder: string, name: string, tarball: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(join(PROJECTS, name), folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  await install(folder, tarball, ...(PEERS[name] ?? []));
  return folder;
}

/** Returns the folder of a new project with these files, by their paths. */
export async function newProject(
  folder: string,
  files: Readonly<Record<string, string>>,
  packages: readonly string[],
  compilerOptions: Readonly<Record<string, unknown>>,
): Promise<string> {
  const tsconfig = { compilerOptions: { ...STRICT, ...compilerOptions }, include: ["src"] };
  const all = {
    ...files,
    "package.json": JSON.stringify({ name: "quick-start", private: true, type: "module" }),
    "tsconfig.json": JSON.stringify(tsconfig),
  };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await install(folder, ...packages);
  return folder;
}

/**
 * Installs a copy of a folder of the tree that has its own package.json, as its README says, but with the tarball for
 * `quorate`. Returns the copy's folder.
 */
export async function installExample(
  folder: string,
  source: string,
  tarball: string,
  compilerOptions: Readonly<Record<string, unknown>>,
): Promise<string> {
  await cp(join(ROOT, source), folder, { recursive: true });
  const file = join(folder, "package.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as Readonly<Record<string, Record<string, string>>>;
  const tools = Object.entries(manifest["devDependencies"] ?? {}).filter(([name]) => !TOOLS.has(name));
  const dependencies = { ...manifest["dependencies"], quorate: `file:${tarball}` };
  await writeFile(file, JSON.stringify({ ...manifest, dependencies, devDependencies: Object.fromEntries(tools) }));
  const tsconfig = { compilerOptions: { ...STRICT, ...compilerOptions }, include: ["**/*.ts", "**/*.tsx"] };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
  await install(folder);
  return folder;
}

async function install(folder: string, ...packages: readonly string[]): Promise<void> {
  await command(folder, "npm", "install", "--no-audit", "--no-fund", "--no-progress", "--prefer-offline", ...packages);
}
