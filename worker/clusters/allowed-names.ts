/**
 * The setting CLUSTERS: which names the clusters beside the first one may have. A list of names and patterns, separated
 * by commas, in which `*` stands for any characters of a name ("staging, team-*"). "*" alone is any name, and the default;
 * "" is none.
 */
import { isClusterName } from "../common/cluster-record.ts";

export type AllowedNames = (name: string) => boolean;

/** `*` counts as a letter here: the rest must be what a name may have. */
const PATTERN_LENGTH_MAX = 63;

/** Throws an Error for people if an entry cannot be the pattern of a name. */
export function allowedNames(text: string): AllowedNames {
  const entries = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const tests = entries.map((entry) => {
    if (entry.length > PATTERN_LENGTH_MAX || !isClusterName(entry.replaceAll("*", "x"))) {
      throw new Error(`CLUSTERS has names and patterns such as "team-*", not ${JSON.stringify(entry)}`);
    }
    const parts = entry.split("*");
    return (name: string) => matches(name, parts);
  });
  return (name) => isClusterName(name) && tests.some((test) => test(name));
}

/** Without a regular expression: some patterns would take it exponential time. */
function matches(name: string, [first = "", ...rest]: readonly string[]): boolean {
  if (rest.length === 0) return name === first;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
