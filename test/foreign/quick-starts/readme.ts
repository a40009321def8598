/** The code of the README, as somebody copies it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check } from "../steps.ts";

const README: string = readFileSync(join(import.meta.dirname, "../../../README.md"), "utf8");

/** Returns the only block of this language below a heading, up to the next heading of any kind, or the one that holds `text`. */
export function block(heading: string, language: string, text = ""): string {
  const [, section = ""] = README.split(`\n${heading}\n`);
  const [own = ""] = section.split(/^#{2,3} /m);
  const found = [...own.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name, code = ""]) => name === language && code.includes(text))
    .map(([, , code = ""]) => code);
  check(found.length === 1, `${heading} has ${found.length} blocks of ${language} with ${JSON.stringify(text)}`);
  return found[0] ?? "";
}

/** Puts in what everybody has to put in for themselves, such as an address. */
export function filledIn(code: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((filled, [placeholder, value]) => {
    check(filled.includes(placeholder), `the README does not show ${placeholder} any more`);
    return filled.replaceAll(placeholder, value);
  }, code);
}
