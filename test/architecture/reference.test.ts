/** The reference (`npm run docs`) says something of every export of the package, and shows its declaration. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ENTRIES, pageOf } from "../../worker/local/build-docs.ts";
import { type Documented, referenceOf } from "../../worker/local/reference.ts";

const ROOT = join(import.meta.dirname, "../..");
const entries = Object.entries(ENTRIES).map(([entry, file]) => [entry, join(ROOT, file)] as const);

describe("reference", () => {
  test.each(entries)("%s: each export has a docstring", (_entry, file) => {
    const { doc, exports } = referenceOf(file);
    expect(exports.filter((one) => one.doc === "").map(({ name, file: place }) => `${name} in ${place}`)).toEqual([]);
    expect(doc).not.toBe("");
    expect(exports.length).toBeGreaterThan(0);
  });

  test.each(entries)("%s: each docstring is a sentence", (_entry, file) => {
    const odd = referenceOf(file).exports.filter(({ doc }) => !/^(?:[A-Z`'"]|etcd|gRPC).*[.!:)`]$/s.test(doc));
    expect(odd.map(({ name, doc }) => `${name}: ${doc}`)).toEqual([]);
  });

  test("a name is followed over imports and re-exports to its declaration", () => {
    expect(exported("quorate", "EtcdError").file).toMatch(/protocol\/etcd-error\.ts$/);
    expect(exported("quorate", "EtcdError").declaration).toMatch(/^class EtcdError extends Error \{/);
  });

  test("a declaration has no body and no private member", () => {
    const { declaration } = exported("quorate", "Live");
    expect(declaration).toContain("readonly ready: Promise<void>;");
    expect(declaration).toContain("close(): void;");
    expect(declaration).not.toContain("#");
    // Its constructor takes what is not exported; that of the errors is for everybody.
    expect(declaration).not.toContain("constructor");
    expect(exported("quorate", "ConflictError").declaration).toContain("constructor(key: string, message: string);");
    expect(exported("quorate", "connect").declaration).toBe(
      "function connect(options: ConnectOptions): ApplicationClient;",
    );
    expect(exported("quorate", "text").declaration).toBe("const text: Codec<string>;");
  });

  test("a page links from a declaration to what it names", () => {
    const page = pageOf("quorate", referenceOf(join(ROOT, ENTRIES["quorate"] ?? "")));
    expect(page).toContain("See [ConnectOptions](#connectoptions), [ApplicationClient](#applicationclient).");
    for (const [, anchor] of page.matchAll(/\]\(#([\w-]+)\)/g))
      expect(page.toLowerCase()).toContain(`\n## ${anchor}\n`);
  });
});

function exported(entry: string, name: string): Documented {
  const found = referenceOf(join(ROOT, ENTRIES[entry] ?? "")).exports.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${entry} exports no ${name}`);
  return found;
}
