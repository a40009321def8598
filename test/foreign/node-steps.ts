/** A script and the command line on the `node` of this machine, whatever its version. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";
import { check, type Step } from "./steps.ts";

const INSTALLED_BYTES_MAX = 15_000_000;

export function nodeSteps(install: () => Promise<string>, endpoint: string): readonly Step[] {
  let folder = "";
  const quorate = (...args: readonly string[]): Promise<string> =>
    command(folder, "npx", "--no-install", "quorate", ...args, "--endpoint", endpoint);
  return [
    {
      name: "the tarball installs, small and without a native program",
      async run() {
        folder = await install();
        const files = await filesOf(join(folder, "node_modules"));
        const native = files.filter(({ path }) => /\.(node|so|dylib|dll|exe)$/.test(path));
        check(native.length === 0, `native: ${native.map(({ path }) => path).join(", ")}`);
        const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
        check(bytes < INSTALLED_BYTES_MAX, `${bytes} bytes are installed, of at most ${INSTALLED_BYTES_MAX}`);
        return `${(bytes / 1_000_000).toFixed(1)} MB`;
      },
    },
    {
      name: "a script connects, puts, reads, watches, compares, and gets errors that say what is wrong",
      async run() {
        await command(folder, "node", "script.js", endpoint);
        return `Node ${(await command(folder, "node", "--version")).trim()}`;
      },
    },
    {
      name: "npx quorate puts and gets",
      async run() {
        await quorate("put", "foreign", "yes");
        const got = await quorate("get", "foreign");
        check(got.includes("yes"), `get printed ${JSON.stringify(got)}`);
        return undefined;
      },
    },
    {
      name: "quorate/raft elects a leader by hand",
      async run() {
        await command(folder, "node", "raft.js");
        return undefined;
      },
    },
    {
      name: "quorate/room may be imported by a server, and says what it needs of a browser",
      async run() {
        await command(folder, "node", "room.js");
        return undefined;
      },
    },
    {
      name: "quorate/grpc serves etcd's gRPC in front of the endpoint",
      async run() {
        await command(folder, "node", "grpc.js", endpoint);
        return undefined;
      },
    },
  ];
}

async function filesOf(folder: string): Promise<readonly { readonly path: string; readonly bytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
}
