/** Settings that `npm start` reads from wrangler.toml, so that both run the same worker in the same runtime. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Deployed {
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly vars: Readonly<Record<string, string>>;
}

export function readDeployed(root: string): Deployed {
  return deployedOf(readFileSync(join(root, "wrangler.toml"), "utf8"));
}

/** Parses the few forms that our file uses: `name = "text"` and `name = ["text", …]`, in and above [tables]. */
export function deployedOf(toml: string): Deployed {
  const top = new Map<string, readonly string[]>();
  const vars: Record<string, string> = {};
  let table = "";
  for (const line of toml.split("\n")) {
    table = /^\[+([\w.]+)\]+/.exec(line)?.[1] ?? table;
    const [, name, value] = /^(\w+) = (["[].*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const texts = [...value.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
    if (table === "") top.set(name, texts);
    else if (table === "vars") vars[name] = texts[0] ?? "";
  }
  const compatibilityDate = top.get("compatibility_date")?.[0];
  if (compatibilityDate === undefined) throw new Error("wrangler.toml names no compatibility_date");
  return { compatibilityDate, compatibilityFlags: top.get("compatibility_flags") ?? [], vars };
}
