/** A small file system for each member's data, which can be filled. Linux alone, and only where this process may mount. */
import { execFile } from "node:child_process";
import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** A round's data, and what SQLite writes before it. */
const SIZE = "48m";
const CHUNKS = [1 << 20, 1 << 12, 1];
/** Fills what is left. It lies beside the member's files. */
const BALLAST = "ballast";

export class SmallDisks {
  readonly #folders: readonly string[];

  private constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Mounts one at each folder of these names. Undefined where that is not allowed. */
  static async mount(folder: string, names: readonly string[]): Promise<SmallDisks | undefined> {
    const mounted: string[] = [];
    const disks = new SmallDisks(mounted);
    for (const name of names) {
      const at = join(folder, name);
      await mkdir(at, { recursive: true });
      try {
        await run("mount", ["-t", "tmpfs", "-o", `size=${SIZE},mode=700`, "tmpfs", at]);
      } catch {
        await disks.unmount();
        return undefined;
      }
      mounted.push(at);
    }
    return disks;
  }

  /** Leaves not a byte free. */
  async fill(name: string): Promise<void> {
    const ballast = join(this.#at(name), BALLAST);
    for (const size of CHUNKS) await fillWith(ballast, new Uint8Array(size));
  }

  async makeRoom(name: string): Promise<void> {
    await rm(join(this.#at(name), BALLAST), { force: true });
  }

  /** The members have stopped before. */
  async unmount(): Promise<void> {
    for (const folder of this.#folders) await run("umount", ["--lazy", folder]);
  }

  #at(name: string): string {
    const found = this.#folders.find((folder) => folder.endsWith(`/${name}`));
    if (found === undefined) throw new Error(`${name} has no disk of its own`);
    return found;
  }
}

async function fillWith(file: string, chunk: Uint8Array): Promise<void> {
  for (;;) {
    try {
      await appendFile(file, chunk);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOSPC") return;
      throw error;
    }
  }
}
