/** Builds another commit of this repository, in a worktree of its own that is gone afterwards. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { built } from "../support/process-cluster.ts";

type BuiltWorker = ReturnType<typeof built>;

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);

export interface OtherBuild {
  readonly commit: string;
  readonly build: BuiltWorker;
  /** The worker with the objects. */
  readonly workerFile: string;
  /** This checkout's commit as if it spoke another version of the protocol. */
  readonly foreign: BuiltWorker;
  readonly remove: () => Promise<void>;
}

const COMMITS_BACK = 20;

/** The oldest commit that is there, where there are not so many. */
export async function someCommitsBack(): Promise<string> {
  const commits = await git("rev-list", "--first-parent", `-n${COMMITS_BACK + 1}`, "HEAD");
  const oldest = commits.split("\n").at(-1);
  if (oldest === undefined || oldest === "") throw new Error("this checkout has no history");
  return oldest;
}

/**
 * The version of the protocol that a commit speaks. Undefined if the commit is not here, as in a shallow clone that ends later
 * and where there is no repository.
 */
export async function protocolOf(commit: string): Promise<number | undefined> {
  const text = await git("show", `${commit}:src/protocol/version.ts`).catch(() => undefined);
  const version = /PROTOCOL_VERSION = (\d+)/.exec(text ?? "")?.[1];
  return version === undefined ? undefined : Number(version);
}

/** With the installed packages of this checkout. Rejects if there is no such commit, as in a shallow clone. */
export async function buildOther(ref: string, foreignVersion: number): Promise<OtherBuild> {
  const folder = await mkdtemp(join(tmpdir(), "quorate-upgrade-"));
  const [root, foreignRoot] = [join(folder, "other"), join(folder, "foreign")];
  const remove = async (): Promise<void> => {
    for (const tree of [root, foreignRoot]) await git("worktree", "remove", "--force", tree).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const commit = await git("rev-parse", "--short", `${ref}^{commit}`);
    await checkOut(commit, root);
    await buildIn(root);
    await checkOut("HEAD", foreignRoot);
    const file = join(foreignRoot, "src/protocol/version.ts");
    const text = await readFile(file, "utf8");
    const changed = text.replace(/PROTOCOL_VERSION = \d+/, `PROTOCOL_VERSION = ${foreignVersion}`);
    if (changed === text) throw new Error("there is no version of the protocol to change");
    await writeFile(file, changed);
    await buildIn(foreignRoot);
    const workerFile = join(root, "dist/worker/worker.js");
    return { commit, build: built(root), workerFile, foreign: built(foreignRoot), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function checkOut(commit: string, folder: string): Promise<void> {
  await git("worktree", "add", "--detach", folder, commit);
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

async function buildIn(folder: string): Promise<void> {
  await run(process.execPath, ["--import=tsx", "worker/local/build.ts"], { cwd: folder });
}

async function git(...args: readonly string[]): Promise<string> {
  const { stdout } = await run("git", args, { cwd: ROOT });
  return stdout.trim();
}
