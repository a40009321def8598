/** A strict TypeScript project, under both ways of finding modules, that checks the declarations themselves too. */
import { join } from "node:path";
import { tool } from "./command.ts";
import type { Step } from "./steps.ts";

export function typeSteps(install: () => Promise<string>): readonly Step[] {
  let folder = "";
  const compile = async (project: string): Promise<undefined> => {
    await tool(folder, "typescript/bin/tsc", "-p", join(folder, project));
    return undefined;
  };
  return [
    {
      name: "types: module nodenext",
      async run() {
        folder = await install();
        return compile("nodenext.json");
      },
    },
    { name: "types: moduleResolution bundler", run: () => compile("bundler.json") },
  ];
}
