/** What the tarball itself must be. */
import { tool } from "./command.ts";
import type { Step } from "./steps.ts";
import { dirname } from "node:path";

export function packageSteps(tarball: string): readonly Step[] {
  return [
    {
      name: "publint finds nothing to improve",
      async run() {
        await tool(dirname(tarball), "publint/src/cli.js", tarball, "--strict");
        return undefined;
      },
    },
    {
      name: "arethetypeswrong finds the types of every entry point right, for ES modules",
      async run() {
        await tool(dirname(tarball), "@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only");
        return undefined;
      },
    },
  ];
}
