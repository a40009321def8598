/** Finds the built worker and page that a process runs: in the installed package, or in the repository after a build. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface BuiltWorker {
  readonly workerFile: string;
  readonly assetsFile: string;
  readonly pageFolder: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
}

/** Paths from a folder above this file to the folder of the build. */
const PLACES: readonly string[] = ["serve", "dist/package/serve"];

/** Returns undefined if nothing was built. */
export function builtWorker(from: string = fileURLToPath(import.meta.url)): BuiltWorker | undefined {
  for (let folder = dirname(from); folder !== dirname(folder); folder = dirname(folder)) {
    for (const place of PLACES) {
      const built = join(folder, place);
      if (existsSync(join(built, "runtime.json"))) return read(built);
    }
  }
  return undefined;
}

function read(folder: string): BuiltWorker {
  const runtime = JSON.parse(readFileSync(join(folder, "runtime.json"), "utf8")) as Pick<
    BuiltWorker,
    "compatibilityDate" | "compatibilityFlags"
  >;
  return {
    ...runtime,
    workerFile: join(folder, "process.js"),
    assetsFile: join(folder, "assets.js"),
    pageFolder: join(folder, "page"),
  };
}
