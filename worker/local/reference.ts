/**
 * The reference of the package: every export of an entry, with its docstring and its declaration.
 *
 * Exports have written types (isolatedDeclarations), so the source says all that a reader needs, in the words of whoever
 * wrote it, and no compiler has to be asked.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAst } from "vite";

export interface Documented {
  readonly name: string;
  readonly isType: boolean;
  /** The docstring as Markdown; empty if there is none. */
  readonly doc: string;
  /** The declaration in TypeScript, without bodies and private members. */
  readonly declaration: string;
  /** Path of the source file. */
  readonly file: string;
}

export interface EntryReference {
  /** What the module says of itself. */
  readonly doc: string;
  readonly exports: readonly Documented[];
}

/** The parts of ESTree's nodes that are read here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly id?: Node | null;
  readonly name?: string;
  readonly key?: Node;
  readonly value?: Node | null;
  readonly body?: Node | readonly Node[] | null;
  readonly declaration?: Node | null;
  readonly declarations?: readonly Node[];
  readonly specifiers?: readonly Node[];
  readonly imported?: Node;
  readonly local?: Node;
  readonly exported?: Node;
  readonly exportKind?: string;
  readonly source?: { readonly value: string } | null;
  readonly accessibility?: string | null;
}

interface Found {
  readonly file: string;
  readonly source: string;
  /** The statement, with which the docstring stands. */
  readonly statement: Node;
  readonly declaration: Node;
}

/** Returns what the entry at `file` exports, in its order. Throws if a declaration cannot be found. */
export function referenceOf(file: string): EntryReference {
  const { source, body } = parsed(file);
  const names = new Set(body.flatMap(({ specifiers = [] }) => specifiers.map(({ exported }) => exported?.name ?? "")));
  const exports = body.flatMap((statement) =>
    statement.type !== "ExportNamedDeclaration" || statement.source == null
      ? []
      : (statement.specifiers ?? []).map(({ local, exported }): Documented => {
          const name = exported?.name ?? "";
          const found = find(join(dirname(file), statement.source?.value ?? ""), local?.name ?? "");
          return {
            name,
            isType: statement.exportKind === "type",
            doc: docBefore(found.source, found.statement.start),
            declaration: declarationOf(found, names),
            file: found.file,
          };
        }),
  );
  return { doc: docAt(source), exports };
}

function parsed(file: string): { readonly source: string; readonly body: readonly Node[] } {
  const source = readFileSync(file, "utf8");
  return { source, body: (parseAst(source, { lang: "ts" }) as unknown as { readonly body: readonly Node[] }).body };
}

/** Follows imports and re-exports to the file that declares the name. */
function find(file: string, name: string): Found {
  const { source, body } = parsed(file);
  let next: Found | undefined;
  for (const statement of body) {
    const declaration = statement.declaration ?? statement;
    if (namesOf(declaration).includes(name)) return { file, source, statement, declaration };
    const specifier = (statement.specifiers ?? []).find(
      ({ local, exported }) => (statement.type === "ImportDeclaration" ? local : exported)?.name === name,
    );
    if (specifier === undefined || statement.source == null) continue;
    const original = statement.type === "ImportDeclaration" ? specifier.imported : specifier.local;
    next ??= find(join(dirname(file), statement.source.value), original?.name ?? name);
  }
  if (next === undefined) throw new Error(`${file} declares no ${name}`);
  return next;
}

function namesOf({ id, declarations }: Node): readonly (string | undefined)[] {
  return declarations === undefined ? [id?.name] : declarations.map((one) => one.id?.name);
}

function declarationOf({ source, declaration }: Found, names: ReadonlySet<string>): string {
  const { type, start, end, body } = declaration;
  switch (type) {
    case "ClassDeclaration":
      return classOf(source, declaration, names);
    case "FunctionDeclaration":
      return `${source.slice(start, (body as Node).start).trim()};`;
    case "VariableDeclaration":
      return (declaration.declarations ?? []).map(({ id }) => `const ${source.slice(id?.start, id?.end)};`).join("\n");
    default:
      return source.slice(start, end);
  }
}

function classOf(source: string, { start, body }: Node, names: ReadonlySet<string>): string {
  const { start: bodyStart, body: members } = body as Node;
  const kept = (members as readonly Node[])
    .filter(({ key, accessibility }) => key?.type !== "PrivateIdentifier" && accessibility !== "private")
    // A constructor that takes what is not exported is not for applications.
    .filter(
      (member) =>
        member.key?.name !== "constructor" || typesIn(memberOf(source, member)).every((name) => names.has(name)),
    )
    .map((member) => {
      const doc = commentBefore(source, member.start);
      return `${doc === "" ? "" : `  ${doc}\n`}  ${memberOf(source, member)}`;
    });
  return `${source.slice(start, bodyStart).trim()} {\n${kept.join("\n")}\n}`;
}

/** A member without its body or initial value. */
function memberOf(source: string, { type, start, end, value }: Node): string {
  if (value == null) return source.slice(start, end);
  const cut = type === "MethodDefinition" ? (value.body as Node | null | undefined)?.start : value.start;
  const text = source.slice(start, cut ?? end).trim();
  return `${text.replace(/\s*=$/, "").replace(/^(?:async\s+)/, "")};`;
}

function typesIn(text: string): readonly string[] {
  return text.match(/\b[A-Z]\w*\b/g) ?? [];
}

function commentBefore(source: string, at: number): string {
  return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(source.slice(0, at))?.[0].trim() ?? "";
}

function docBefore(source: string, at: number): string {
  const comment = commentBefore(source, at);
  // The first comment of a file is the file's own.
  const isOfFile = source.slice(0, at).trim() === comment;
  return isOfFile ? "" : textOf(comment);
}

function docAt(source: string): string {
  return textOf(/^\/\*\*[\s\S]*?\*\//.exec(source)?.[0] ?? "");
}

/** A comment's text as Markdown. */
function textOf(comment: string): string {
  return comment
    .replace(/^\/\*\*[ \t]?/, "")
    .replace(/\s*\*\/$/, "")
    .replaceAll(/^[ \t]*\* ?/gm, "")
    .trim();
}
