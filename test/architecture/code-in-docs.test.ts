/**
 * The code that documents show is code: every block of TypeScript in the README, the guides, the examples' READMEs and the
 * docstrings compiles against the source as it is.
 *
 * A block is a module of its own. What it may take as given stands in a comment before it, which readers do not see:
 * `<!-- given: declare const client: ApplicationClient; -->`.
 */
import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Inside the tree, so that the packages of the tree are found. */
const PLACE = join(ROOT, "node_modules/.cache/code-in-docs", String(process.pid));
const DOCUMENTS = globSync(["README.md", "{src,web,worker}/**/*.{md,ts,tsx}"], {
  cwd: ROOT,
  exclude: (path) => path.includes("node_modules"),
}).sort();

interface Block {
  readonly document: string;
  readonly code: string;
  readonly isWorker: boolean;
  readonly name: string;
}

const blocks: readonly Block[] = DOCUMENTS.flatMap(blocksOf);

beforeAll(() => mkdir(PLACE, { recursive: true }));
afterAll(() => rm(PLACE, { recursive: true }));

describe("code in documents", () => {
  test("the README and each guide with code are among them", () => {
    const documents = new Set(blocks.map(({ document }) => document));
    expect([...documents]).toEqual(
      expect.arrayContaining([
        "README.md",
        "src/entry/docs/auth.md",
        "src/entry/docs/recipes.md",
        "src/entry/index.ts",
      ]),
    );
  });

  test("blocks for pages and scripts compile", async () => {
    const pages = blocks.filter(({ isWorker }) => !isWorker);
    expect(
      await errorsOf("pages", pages, {
        lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable", "ESNext.Disposable"],
      }),
    ).toBe("");
  });

  test("blocks for workers compile", async () => {
    const workers = blocks.filter(({ isWorker }) => isWorker);
    expect(workers.length).toBeGreaterThan(0);
    const lib = ["ES2023", "ES2024.Promise"];
    expect(await errorsOf("workers", workers, { lib, types: ["@cloudflare/workers-types"] })).toBe("");
  });

  test("a block that does not compile is found, at its line in the document", async () => {
    const code = `\n\nimport { connect } from "quorate";\nconnect({ endpoint: 7 });\n`;
    const found = await errorsOf("wrong", [{ document: "x.md", code, isWorker: false, name: "x.md.3.tsx" }], {});
    expect(found).toMatch(/x\.md\.3\.tsx\(4,11\): error TS2322/);
  });
});

function blocksOf(document: string): readonly Block[] {
  const source = readFileSync(join(ROOT, document), "utf8");
  // In a docstring every line begins with a star.
  const text = document.endsWith(".md") ? source : source.replaceAll(/^ *\* ?/gm, "");
  const found = text.matchAll(/(?:<!-- given: ([^\n]*) -->\n)?^```tsx?\n([\s\S]*?)^```$/gm);
  return [...found].map(({ 0: whole, 1: given, 2: code = "", index }) => {
    const line = text.slice(0, index).split("\n").length;
    const before = given === undefined ? "\n" : `${given}\n\n`;
    return {
      document,
      // The error's line is the document's.
      code: `${"\n".repeat(line - 1)}${before}${code}\nexport {};\n`,
      isWorker: /quorate\/worker/.test(whole),
      name: `${document.replaceAll("/", "-")}.${line}.tsx`,
    };
  });
}

/** What the compiler says of the blocks; empty when it is content. */
async function errorsOf(
  folder: string,
  given: readonly Block[],
  options: Readonly<Record<string, unknown>>,
): Promise<string> {
  const place = join(PLACE, folder);
  await mkdir(place, { recursive: true });
  await Promise.all(given.map(({ name, code }) => writeFile(join(place, name), code)));
  const tsconfig = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      module: "esnext",
      moduleResolution: "bundler",
      jsx: "react-jsx",
      declaration: false,
      isolatedDeclarations: false,
      verbatimModuleSyntax: false,
      noUnusedLocals: false,
      paths: {
        quorate: [join(ROOT, "src/entry/index.ts")],
        "quorate/worker": [join(ROOT, "worker/entry.ts")],
        "quorate/*": [join(ROOT, "src/entry/*.ts")],
      },
      ...options,
    },
    include: ["."],
  };
  await writeFile(join(place, "tsconfig.json"), JSON.stringify(tsconfig));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    await promisify(execFile)(process.execPath, [compiler, "-p", place], { cwd: place, maxBuffer: 1 << 24 });
    return "";
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { readonly stdout?: string; readonly stderr?: string };
    return `${stdout}${stderr}` || String(error);
  }
}
