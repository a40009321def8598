/**
 * `npm run foreign`: packs the package and uses it as others do, in projects outside the tree that know nothing of it but
 * the tarball: a script on the oldest Node, a strict TypeScript project under both resolutions, pages that Vite builds, one
 * of which opens a room in a real Chromium, a worker that wrangler builds and workerd serves, and the examples.
 *
 *   npm run foreign              needs `npm run build`, npm's registry or its cache, and Node 20 or newer as `node`
 *   npm run foreign -- --keep    leaves the projects where they are, and says where
 *   npm run foreign -- --only examples      one group: package, node, types, page, room, worker, quick-starts,
 *                                examples
 *
 * QUORATE_ETCD names an etcd, against which some examples are run too.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EdgeServer } from "../support/edge-server.ts";
import { exampleSteps } from "./examples/steps.ts";
import { installProject } from "./project.ts";
import { nodeSteps } from "./node-steps.ts";
import { packageSteps } from "./package-steps.ts";
import { pageSteps } from "./page-steps.ts";
import { quickStartSteps } from "./quick-starts/steps.ts";
import { roomSteps } from "./room-steps.ts";
import { type Step, runSteps } from "./steps.ts";
import { typeSteps } from "./type-steps.ts";
import { workerSteps } from "./worker-steps.ts";
import { packTarball } from "./tarball.ts";

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: "boolean", default: false }, only: { type: "string" } } });
  const folder = await mkdtemp(join(tmpdir(), "quorate-foreign-"));
  try {
    const tarball = await packTarball(folder);
    const server = await EdgeServer.start(join(folder, "data"));
    try {
      const project = (name: string): Promise<string> => installProject(join(folder, name), name, tarball);
      const groups: Readonly<Record<string, readonly Step[]>> = {
        package: packageSteps(tarball),
        node: nodeSteps(() => project("node"), server.url),
        types: typeSteps(() => project("types")),
        page: pageSteps(() => project("page")),
        room: roomSteps(() => project("room"), join(folder, "room-data")),
        worker: workerSteps(() => project("worker")),
        "quick-starts": quickStartSteps(folder, tarball, server.url),
        examples: exampleSteps(folder, tarball, process.env["QUORATE_ETCD"]),
      };
      const steps = values.only === undefined ? Object.values(groups).flat() : (groups[values.only] ?? []);
      return await runSteps(steps);
    } finally {
      await server.stop();
    }
  } finally {
    if (values.keep) console.log(`The projects are in ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}
