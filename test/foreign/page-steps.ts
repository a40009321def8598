/** A page that Vite builds from the installed package. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { tool } from "./command.ts";
import type { Step } from "./steps.ts";

export function pageSteps(install: () => Promise<string>): readonly Step[] {
  return [
    {
      name: "a page: Vite bundles the client",
      async run() {
        const folder = await install();
        await tool(folder, "vite/bin/vite.js", "build", "--logLevel", "warn");
        const assets = join(folder, "dist/assets");
        const names = await readdir(assets);
        const bytes = await Promise.all(names.map(async (name) => gzipSync(await readFile(join(assets, name))).length));
        return `${(bytes.reduce((sum, each) => sum + each, 0) / 1000).toFixed(1)} KB gzip in all, also what loads later`;
      },
    },
  ];
}
