/**
 * What documents say of the command line is what it does: the README shows its help, and no document names an option that
 * it has not.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ExitCode } from "../../src/cli/common/exit-codes.ts";
import { run } from "../../src/cli/run.ts";
import { FakeTerminal } from "./support/fake-terminal.ts";

const ROOT = join(import.meta.dirname, "../..");
const DOCUMENTS = globSync(["README.md", "{src,web,worker}/**/*.md"], { cwd: ROOT }).sort();

test("the README shows the help as it is printed", async () => {
  const shown = /^```\n(quorate COMMAND [\s\S]*?)^```$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1];
  expect(shown).toBe(await printed("--help"));
});

test.each(DOCUMENTS)("each command and option that %s shows exists", async (document) => {
  const lines = [...readFileSync(join(ROOT, document), "utf8").matchAll(/npx quorate ([^\n#&`]+)/g)].map(
    ([, line = ""]) => line.trim(),
  );
  for (const line of lines) {
    const [commands = "", ...words] = line.split(/\s+/);
    for (const command of commands.split("|")) {
      const help = `${await printed("--help")}${await printed(...(command.startsWith("-") ? [] : [command]), "--help")}`;
      for (const [option] of words.join(" ").matchAll(/--[\w-]+/g)) expect(help, line).toContain(option);
    }
  }
});

async function printed(...args: readonly string[]): Promise<string> {
  const terminal = new FakeTerminal();
  expect(await run(args, terminal), args.join(" ")).toBe(ExitCode.ok);
  return new TextDecoder().decode(terminal.outBytes);
}
