/** The documents stay true: the files that they name exist, their numbered rules are tested, and each error has its line. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { GrpcCode } from "../../src/protocol/errors.ts";

const root = join(import.meta.dirname, "../..");
const DOCUMENTS = ["README.md", ...globSync("{src,web,worker,test}/**/*.md", { cwd: root }).sort()];

/** Each package whose rules have numbers, and their letter. */
const RULES = [
  ["R", "src/raft/README.md"],
  ["V", "src/mvcc/README.md"],
  ["M", "src/member/README.md"],
] as const;

/** The rules that a title proves, at its start: "R12 …" or "R12, R24 …". */
const TITLE_RULES = /["'`]((?:[RVM]\d+, )*[RVM]\d+) /g;

describe("documents", () => {
  test.each(DOCUMENTS)("every source file that %s names exists", (document) => {
    expect(pathsIn(document).filter((path) => !exists(path, document))).toEqual([]);
  });

  test.each(DOCUMENTS)("every file that %s links to exists", (document) => {
    const links = [...textOf(document).matchAll(/\]\((?!https?:)([^)#:]+)/g)].map(([, path]) => path as string);
    expect(links.filter((path) => !existsSync(join(root, dirname(document), path)))).toEqual([]);
  });

  test.each(DOCUMENTS)("every place in %s that it links to itself exists", (document) => {
    const places = [...textOf(document).matchAll(/\]\(#([\w-]+)\)/g)].map(([, place]) => place as string);
    expect(places.filter((place) => !placesIn(document).has(place))).toEqual([]);
  });

  test("a file that does not exist is noticed, wherever a path may begin", () => {
    expect(exists("raft.ts", "src/raft/README.md")).toBe(true);
    expect(exists("test/raft/*.test.ts", "src/raft/README.md")).toBe(true);
    expect(exists("driver.ts", "src/raft/README.md")).toBe(false);
    expect(pathsIn("src/README.md").length).toBeGreaterThan(100);
  });
});

describe("errors in the README", () => {
  const anchors = [...textOf("README.md").matchAll(/<a id="(error-[\w-]+)"><\/a>/g)].map(([, id]) => id as string);

  test("each gRPC code that a call can reject with has its line", () => {
    const codes = Object.keys(GrpcCode).filter((code) => code !== "OK");
    expect(codes.map(anchorOf).filter((anchor) => !anchors.includes(anchor))).toEqual([]);
  });

  test("each class that the package exports has its line", () => {
    const classes = ["src/entry/index.ts", "src/entry/room.ts"].flatMap((entry) =>
      [...textOf(entry).matchAll(/^export \{([^}]+)\}/gm)].flatMap(
        ([, names]) => (names as string).match(/\w+Error\b/g) ?? [],
      ),
    );
    expect(classes.length).toBeGreaterThan(3);
    const missing = classes.filter((name) => name !== "EtcdError" && !anchors.includes(anchorOf(name.slice(0, -5))));
    expect(missing).toEqual([]);
  });

  test("no line is there twice", () => {
    expect(anchors).toEqual([...new Set(anchors)]);
  });
});

describe("numbered rules", () => {
  const proofs = rulesInTitles();

  test.each(RULES)("%s: each number is given once, in order", (letter, document) => {
    const numbers = rulesOf(document);
    expect(numbers).toEqual(numbers.map((_, at) => `${letter}${at + 1}`));
    expect(numbers.length).toBeGreaterThan(0);
  });

  test.each(RULES)("%s: each rule is named by the title of a test", (_letter, document) => {
    expect(rulesOf(document).filter((rule) => !proofs.has(rule))).toEqual([]);
  });

  test("no title names a rule that is not there", () => {
    const known = new Set(RULES.flatMap(([, document]) => rulesOf(document)));
    expect([...proofs].filter(([rule]) => !known.has(rule))).toEqual([]);
  });
});

/** Paths of TypeScript files between backticks; a pattern stands for at least one file. */
function pathsIn(document: string): readonly string[] {
  const found = textOf(document).matchAll(/`([\w@./*{},-]+\.tsx?)`/g);
  return [...found].map(([, path]) => path as string);
}

/** From the document's folder or from the root, as a reader would follow it. */
function exists(path: string, document: string): boolean {
  return [join(root, dirname(document)), root].some((cwd) => globSync(path, { cwd }).length > 0);
}

/** The anchors of a document: those of its headings, as GitHub makes them, and its own. */
function placesIn(document: string): ReadonlySet<string> {
  const text = textOf(document).replaceAll(/^```[\s\S]*?^```/gm, "");
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string);
  const anchors = [...text.matchAll(/<a id="([\w-]+)">/g)].map(([, id]) => id as string);
  const slugs = headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
  return new Set([...slugs, ...anchors]);
}

function rulesOf(document: string): readonly string[] {
  return [...textOf(document).matchAll(/^\| ([RVM]\d+) \|/gm)].map(([, rule]) => rule as string);
}

/** Each rule that a title names, with the files of those tests. */
function rulesInTitles(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const file of globSync("test/**/*.ts", { cwd: root, exclude: ["test/architecture/**"] })) {
    for (const [, rules] of textOf(file).matchAll(TITLE_RULES)) {
      for (const rule of (rules as string).split(", ")) found.set(rule, [...(found.get(rule) ?? []), file]);
    }
  }
  return found;
}

/** The anchor of a code or of a class without "Error": `error-lease-lost`. */
function anchorOf(name: string): string {
  return `error${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
