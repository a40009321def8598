/** The auth guide's commands, run as they stand there, against a closed endpoint. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../src/cli/run.ts";
import { connect } from "../../src/entry/index.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { FakeTerminal } from "../cli/support/fake-terminal.ts";
import { EdgeServer } from "../support/edge-server.ts";

const GUIDE = readFileSync(join(import.meta.dirname, "../../src/entry/docs/auth.md"), "utf8");
const SETUP_TOKEN = "0123456789 setup";
const PASSWORD = "PASSWORD";

let folder: string;
let server: EdgeServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-auth-guide-"));
  server = await EdgeServer.start(folder, ["--closed", "--setup-token", SETUP_TOKEN]);
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test("whoever follows the auth guide has an owner, and a user who may read and write flags and nothing else", async () => {
  let env: Record<string, string> = {};
  const lines = [...GUIDE.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
  const commands = lines.filter((line) => line.startsWith("npx quorate "));
  expect(commands.length).toBeGreaterThanOrEqual(5);
  for (const line of lines) {
    if (line.startsWith("export ")) env = { ...env, ...variablesOf(line) };
    if (!line.startsWith("npx quorate ")) continue;
    const terminal = new FakeTerminal({ env, input: new TextEncoder().encode(`${PASSWORD}\n`) });
    const code = await run(wordsOf(line).slice(2), terminal);
    expect(code, `${line}\n${terminal.err}`).toBe(0);
  }

  await using app = connect({ endpoint: server.url, user: { name: "app", password: PASSWORD } });
  await app.namespace<boolean>("flags/").put("dark", true);
  expect((await app.namespace<boolean>("flags/").get("dark"))?.value).toBe(true);
  await expect(app.kv.put("other", "x")).rejects.toMatchObject({ code: GrpcCode.PermissionDenied });
  // As the guide says, a lock is keys, too.
  await expect(app.acquire("locks/a")).rejects.toThrow("permission denied");
  await using nobody = connect({ endpoint: server.url });
  await expect(nobody.kv.range("flags/dark")).rejects.toThrow("user name is empty");
});

function variablesOf(line: string): Record<string, string> {
  return Object.fromEntries(
    wordsOf(line)
      .slice(1)
      .map((word) => word.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}

/** As a shell would split them. */
function wordsOf(line: string): readonly string[] {
  const filled = line.replace('"$SETUP_TOKEN"', "\u0000").replaceAll("https://quorate.example", server.url);
  return filled.split(/\s+/).map((word) => word.replace("\u0000", SETUP_TOKEN));
}
