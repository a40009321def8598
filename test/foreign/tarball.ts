/** Packs the package as `npm publish` would. */
import { join } from "node:path";
import { FOREIGN_ENV } from "./command.ts";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const ROOT: string = join(import.meta.dirname, "../..");

/** Returns the tarball's path. */
export async function packTarball(folder: string): Promise<string> {
  const args = ["pack", "--json", "--pack-destination", folder];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: ROOT, env: FOREIGN_ENV });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as readonly { readonly filename: string }[];
  if (packed === undefined) throw new Error(`npm pack made nothing:\n${stdout}`);
  return join(folder, packed.filename);
}
