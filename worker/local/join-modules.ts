/**
 * Writes modules of the package that are always loaded together as one. A bundler cuts chunks by module: from many small
 * ones that different parts share it makes many small chunks, each with its imports and exports and compressed alone.
 *
 *     client/http/http-call.js ─┐ code              client/http/http-call.js   export { HttpCaller } from "../start.js"
 *     client/common/call.js    ─┼──────► start.js   client/common/call.js      export { callIn } from "../start.js"
 *     …                        ─┘
 *
 * Each module stays where it was, and what it exports is the same object as before, so that an error's class is one class
 * whichever entry it is imported from.
 */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { build, type InlineConfig, type Rolldown } from "vite";

const REEXPORT = /^export \{[^}]*\} from "[^"]*";\n/gm;

/**
 * Replaces the modules that `entry` loads at its start, without those of which it uses nothing, by parts of `targets`, in
 * this order: each takes the modules that its function accepts, and imports only from those before it.
 */
export async function joinModules(
  folder: string,
  entry: string,
  targets: Readonly<Record<string, (module: string) => boolean>>,
): Promise<void> {
  const start = await startOf(join(folder, entry));
  const written = new Set<string>();
  for (const [name, takes] of Object.entries(targets)) {
    const target = join(folder, name);
    const exported = await exportsOf(start.filter((module) => takes(relative(folder, module))));
    await writeFile(target, await joined(exported, target, written));
    for (const [module, names] of exported) {
      const parts = [...names].map(([own, joinedName]) => (own === joinedName ? own : `${joinedName} as ${own}`));
      const others = (await readFile(module, "utf8")).match(REEXPORT) ?? [];
      await writeFile(
        module,
        [`export { ${parts.join(", ")} } from "${pathFrom(module, target)}";\n`, ...others].join(""),
      );
      written.add(module);
    }
  }
}

/** The modules in the chunks that begin with `entry`, as a bundler leaves them for an application. */
async function startOf(entry: string): Promise<readonly string[]> {
  const chunks = await bundle(entry, { preserveEntrySignatures: "allow-extension", external: /^[^./\0]/ });
  const begun = new Set(chunks.filter(({ isEntry }) => isEntry));
  for (const { imports } of begun) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) begun.add(chunk);
  }
  return [...begun]
    .flatMap(({ modules }) => Object.entries(modules))
    .filter(([path, { renderedLength }]) => path.startsWith("/") && renderedLength > 0)
    .map(([path]) => path)
    .toSorted();
}

/** The names that each module exports, and those that they have in the joined one: two modules may use one name. */
async function exportsOf(modules: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const taken = new Set<string>();
  const exported = new Map<string, ReadonlyMap<string, string>>();
  for (const module of modules) {
    const text = await readFile(module, "utf8");
    const names = new Map<string, string>();
    for (const name of namesIn(text, module)) {
      const own = taken.has(name) ? `${name}${exported.size}` : name;
      taken.add(own);
      names.set(name, own);
    }
    exported.set(module, names);
  }
  return exported;
}

/** As the compiler writes them, without those of other modules, which stay what they are (REEXPORT). */
function namesIn(text: string, module: string): readonly string[] {
  const own = text.replaceAll(REEXPORT, "");
  if (/^export (?:\*|default|\{)/m.test(own)) throw new Error(`${module} exports in a way that is not expected`);
  return [...own.matchAll(/^export (?:async )?(?:function\*?|class|const|let) (\w+)/gm)].map(([, name = ""]) => name);
}

/** `target` is there first as a list of what it is to export. */
async function joined(
  exported: ReadonlyMap<string, ReadonlyMap<string, string>>,
  target: string,
  written: ReadonlySet<string>,
): Promise<string> {
  const lines = [...exported].map(([module, names]) => {
    const parts = [...names].map(([name, own]) => `${name} as ${own}`);
    return `export { ${parts.join(", ")} } from ${JSON.stringify(module)};\n`;
  });
  await writeFile(target, lines.join(""));
  const [chunk, ...others] = await bundle(
    target,
    { treeshake: false },
    {
      name: "one-module",
      resolveId(id, importer) {
        if (importer === undefined || importer === target || !id.startsWith(".")) return undefined;
        const path = join(dirname(importer), id);
        return exported.has(path) ? path : { id: pathFrom(target, path), external: true };
      },
      transform: (text, module) => (exported.has(module) ? text.replaceAll(REEXPORT, "") : undefined),
    },
  );
  if (chunk === undefined || others.length > 0) throw new Error("one module was expected");
  // It could be evaluated before what it imports, which imports parts of it.
  const early = chunk.imports.filter((path) => !written.has(join(dirname(target), path)));
  if (early.length > 0) throw new Error(`${target} imports ${early.join(", ")}`);
  return chunk.code;
}

function pathFrom(module: string, other: string): string {
  const path = relative(dirname(module), other);
  return path.startsWith(".") ? path : `./${path}`;
}

async function bundle(
  entry: string,
  rolldownOptions: Rolldown.RolldownOptions,
  plugin?: Rolldown.Plugin,
): Promise<readonly Rolldown.OutputChunk[]> {
  const config: InlineConfig = {
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    ...(plugin === undefined ? {} : { plugins: [{ enforce: "pre", ...plugin } as never] }),
    build: {
      write: false,
      minify: false,
      target: "es2023",
      // As a library's: how code is loaded by need is left to the application's bundler.
      lib: { entry, formats: ["es"] },
      rolldownOptions,
    },
  };
  const [result] = [await build(config)].flat();
  if (result === undefined || !("output" in result)) throw new Error("one build was expected");
  return result.output.filter((output) => output.type === "chunk");
}
