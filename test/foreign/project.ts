/** Makes a project outside the tree and installs the tarball into it. */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

const PROJECTS: string = join(import.meta.dirname, "projects");

const PEERS: Readonly<Record<string, readonly string[]>> = {
  types: ["react@19.3.1", "@types/react@19.3.3"],
  worker: ["@cloudflare/workers-types@5.20261117.1"],
};

/** Returns its folder. */
export async function installProject(folder: string, name: string, tarball: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(join(PROJECTS, name), folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  const peers = PEERS[name] ?? [];
  await command(
    folder,
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--prefer-offline",
    tarball,
    ...peers,
  );
  return folder;
}
