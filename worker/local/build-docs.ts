/** `npm run docs`: writes the reference of each entry of the package into dist/docs, as Markdown. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST, ROOT } from "./build.ts";
import { type Documented, type EntryReference, referenceOf } from "./reference.ts";

/** Sources of the entries, by what applications import. */
export const ENTRIES: Readonly<Record<string, string>> = {
  quorate: "src/entry/index.ts",
  "quorate/room": "src/entry/room.ts",
  "quorate/replica": "src/entry/replica.ts",
  "quorate/react": "src/entry/react.ts",
  "quorate/worker": "worker/entry.ts",
  "quorate/grpc": "src/entry/grpc.ts",
  "quorate/raft": "src/entry/raft.ts",
};

const PLACE: string = join(DIST, "docs");

if (process.argv[1] === import.meta.filename) await buildDocs();

async function buildDocs(): Promise<void> {
  const references = Object.entries(ENTRIES).map(([entry, file]) => [entry, referenceOf(join(ROOT, file))] as const);
  await rm(PLACE, { recursive: true, force: true });
  await mkdir(PLACE, { recursive: true });
  const index = references.map(([entry, { exports }]) => {
    const names = exports.map(({ name }) => `[${name}](${fileOf(entry)}#${name.toLowerCase()})`);
    return `## [${entry}](${fileOf(entry)})\n\n${names.join(" · ")}\n`;
  });
  await writeFile(join(PLACE, "index.md"), `# Reference\n\n${index.join("\n")}`);
  for (const [entry, reference] of references) {
    await writeFile(join(PLACE, fileOf(entry)), pageOf(entry, reference));
  }
  const count = references.reduce((sum, [, { exports }]) => sum + exports.length, 0);
  console.log(`${count} exports of ${references.length} entries are in ${join("dist", "docs", "index.md")}`);
}

function fileOf(entry: string): string {
  return `${entry.replace("/", "-")}.md`;
}

export function pageOf(entry: string, { doc, exports }: EntryReference): string {
  const names = new Set(exports.map(({ name }) => name));
  const values = exports.filter(({ isType }) => !isType);
  const types = exports.filter(({ isType }) => isType);
  const sections = [...values, ...types].map((one) => sectionOf(one, names));
  return `# ${entry}\n\n${doc}\n\n${sections.join("\n")}`;
}

/** A heading, the docstring, the declaration, and links to what the declaration names. */
function sectionOf({ name, doc, declaration }: Documented, names: ReadonlySet<string>): string {
  const mentioned = [...new Set(declaration.match(/\b[A-Za-z]\w*\b/g))].filter(
    (other) => other !== name && names.has(other) && /^[A-Z]/.test(other),
  );
  const links = mentioned.map((other) => `[${other}](#${other.toLowerCase()})`).join(", ");
  return `## ${name}\n\n${doc}\n\n\`\`\`ts\n${declaration}\n\`\`\`\n${links === "" ? "" : `\nSee ${links}.\n`}`;
}
