/** The examples of web/examples and worker/examples, built from the packed tarball and used as people use them. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EdgeServer } from "../../support/edge-server.ts";
import { tool } from "../command.ts";
import { installExample } from "../project.ts";
import type { Step } from "../steps.ts";
import { deployOneByOne } from "./against-etcd.ts";
import { hotReload } from "./config-hot-reload.ts";
import { Etcd } from "./etcd.ts";
import { changeFlags } from "./feature-flags.ts";
import { pollOnce } from "./one-poller.ts";
import { refreshOnce } from "./oauth-refresh.ts";
import { Pages } from "./pages.ts";
import { takeSeats } from "./seat-map.ts";

const PAGES = ["feature-flags", "one-poller", "oauth-refresh", "seat-map"];
const WEB_TYPES = {
  lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable", "ESNext.Disposable"],
  types: ["react", "react-dom"],
  jsx: "react-jsx",
  // Styles are the bundler's.
  noUncheckedSideEffectImports: false,
};
const WORKER_TYPES = { lib: ["ES2023"], types: ["@cloudflare/workers-types"] };

interface Endpoint {
  readonly url: string;
  stop(): Promise<unknown>;
}

/** `etcd` is the path of an etcd, for the steps against a real one. */
export function exampleSteps(scratch: string, tarball: string, etcd: string | undefined): readonly Step[] {
  const web = join(scratch, "web-examples");
  const worker = join(scratch, "config-hot-reload");
  const noEtcd = etcd === undefined ? "QUORATE_ETCD names no etcd" : undefined;
  const quorate = (): Promise<Endpoint> => EdgeServer.start(join(scratch, "examples-data"));
  const realEtcd = (): Promise<Endpoint> => Etcd.start(etcd ?? "", join(scratch, "etcd-data"));

  const against = (start: () => Promise<Endpoint>, run: (endpoint: Endpoint) => Promise<void>): Step["run"] => {
    return async () => {
      const endpoint = await start();
      try {
        await run(endpoint);
      } finally {
        await endpoint.stop();
        await Promise.all(
          ["examples-data", "etcd-data"].map((name) => rm(join(scratch, name), { recursive: true, force: true })),
        );
      }
      return undefined;
    };
  };
  const inPages = (
    start: () => Promise<Endpoint>,
    run: (pages: Pages, endpoint: Endpoint) => Promise<void>,
  ): Step["run"] => against(start, (endpoint) => Pages.whileOpen(join(web, "dist"), (pages) => run(pages, endpoint)));

  return [
    {
      name: "examples: the pages install, type-check and build",
      async run() {
        await installExample(web, "web/examples", tarball, WEB_TYPES);
        await tool(web, "typescript/bin/tsc", "-p", join(web, "tsconfig.json"));
        for (const page of PAGES) {
          const out = ["--base", "./", "--outDir", join(web, "dist", page), "--logLevel", "warn"];
          await tool(web, "vite/bin/vite.js", "build", page, ...out);
        }
        return undefined;
      },
    },
    {
      name: "feature flags: live, checked by a schema, nobody overwrites unseen, honest when the endpoint is gone",
      run: inPages(quorate, changeFlags),
    },
    { name: "feature flags: the same against an etcd", skip: noEtcd, run: inPages(realEtcd, changeFlags) },
    {
      name: "one poller: of three tabs exactly one polls; another one does when it closes, and when it crashes",
      run: inPages(quorate, (pages, { url }) => pollOnce(pages, url, join(web, "one-poller/server.js"))),
    },
    {
      name: "one refresh: two browsers find the token expired at once, and one of them refreshes",
      run: inPages(quorate, (pages, { url }) => refreshOnce(pages, url, join(web, "oauth-refresh/server.js"))),
    },
    {
      name: "seats: two people click one seat at once, and one of them has it",
      run: inPages(quorate, (pages, { url }) => takeSeats(pages, url)),
    },
    {
      name: "one deploy at a time: two processes at once, one after the other",
      run: against(quorate, ({ url }) => deployOneByOne(join(web, "against-etcd"), url)),
    },
    {
      name: "one deploy at a time: the same against an etcd",
      skip: noEtcd,
      run: against(realEtcd, ({ url }) => deployOneByOne(join(web, "against-etcd"), url)),
    },
    {
      name: "config hot reload: changed while it serves, few reads, bad configuration changes nothing",
      async run() {
        await installExample(worker, "worker/examples/config-hot-reload", tarball, WORKER_TYPES);
        await hotReload(worker);
        return undefined;
      },
    },
  ];
}
