/**
 * The quick starts of the README, typed as they stand there into new projects, type-checked, built and run. What is put in are
 * addresses and passwords.
 */
import { join } from "node:path";
import { EdgeServer } from "../../support/edge-server.ts";
import { command, tool } from "../command.ts";
import { Pages } from "../examples/pages.ts";
import { newProject } from "../project.ts";
import { check, type Step } from "../steps.ts";
import { whileServed } from "../workerd.ts";
import { printedBy } from "./printed-by.ts";
import { block, filledIn } from "./readme.ts";

const BROWSER = { lib: ["ES2023", "DOM", "DOM.Iterable", "ESNext.Disposable"], types: [], jsx: "react-jsx" };
const NODE = {
  lib: ["ES2023", "DOM", "ESNext.Disposable"],
  types: [],
  module: "nodenext",
  moduleResolution: "nodenext",
};
const EMITTED = { noEmit: false, rootDir: "src", outDir: "dist", allowImportingTsExtensions: false };
const WORKER = { lib: ["ES2023"], types: ["@cloudflare/workers-types"] };
const SETUP_TOKEN = "a setup token of a quick start";
const PASSWORD = "a password of a quick start";

/** `scratch` is a folder for the projects. */
export function quickStartSteps(scratch: string, tarball: string, endpoint: string): readonly Step[] {
  const folder = (name: string): string => join(scratch, `quick-start-${name}`);
  const origin = new URL(endpoint).origin;

  /** A page that Vite builds of one module. */
  const page = async (name: string, file: string, code: string, packages: readonly string[] = []): Promise<string> => {
    const html = `<!doctype html><title>Quick start</title><div id="root"></div><script type="module" src="/src/${file}"></script>`;
    const project = await newProject(
      folder(name),
      { "index.html": html, [`src/${file}`]: code },
      [tarball, ...packages],
      BROWSER,
    );
    await tool(project, "typescript/bin/tsc", "-p", join(project, "tsconfig.json"));
    await tool(project, "vite/bin/vite.js", "build", "--logLevel", "warn");
    return join(project, "dist");
  };
  /** A script, compiled to what Node runs. */
  const script = async (name: string, code: string): Promise<string> => {
    const project = await newProject(folder(name), { "src/main.ts": code }, [tarball], { ...NODE, ...EMITTED });
    await tool(project, "typescript/bin/tsc", "-p", join(project, "tsconfig.json"));
    return project;
  };

  return [
    {
      name: "quick start: a room; who opens its link is in, and finds the seat taken",
      async run() {
        const code = filledIn(block("### A room", "ts"), { "http://localhost:8787": origin });
        const dist = await page("room", "main.ts", code);
        return Pages.whileOpen(dist, async (pages) => {
          const first = await pages.said(await pages.profile(), pages.address("", {}), /^yours /);
          const second = await pages.said(await pages.profile(), first.split(" ").at(-1) ?? "", /^(yours|somebody)/);
          check(second.startsWith("somebody was faster "), `the second one read ${second}`);
        });
      },
    },
    {
      name: "quick start: your own worker",
      async run() {
        const project = await newProject(
          folder("worker"),
          {
            "src/index.ts": block("### Your own worker", "ts"),
            "wrangler.toml": `send_metrics = false\n${block("### Your own worker", "toml")}`,
          },
          [tarball, "@cloudflare/workers-types@5.20261117.1"],
          WORKER,
        );
        await tool(project, "typescript/bin/tsc", "-p", join(project, "tsconfig.json"));
        await tool(project, "wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "dist");
        const served = { objects: { MEMBERS: "EdgeMember" }, variables: { SETUP_TOKEN } };
        await whileServed(project, served, async (url) => {
          const home = async (): Promise<string> => (await fetch(url)).text();
          check((await home()) === "nothing yet", `it answered ${await home()}`);
          const headers = { authorization: `Bearer ${SETUP_TOKEN}` };
          await fetch(`${url}/quorate/kv/pages/home`, { method: "PUT", body: '{"text":"hello"}', headers });
          check((await home()) === "hello", `it answered ${await home()}`);
        });
        return undefined;
      },
    },
    {
      name: "quick start: a deployment, closed, then with an owner and a user",
      async run() {
        const server = await EdgeServer.start(folder("deployment-data"), ["--closed", "--setup-token", SETUP_TOKEN]);
        try {
          const at = { "https://quorate.example": new URL(server.url).origin };
          const code = filledIn(block("### A deployment", "ts"), { ...at, "…": PASSWORD });
          const project = await script("deployment", code);
          const commands = filledIn(block("### A deployment", ""), {
            ...at,
            $SETUP_TOKEN: SETUP_TOKEN,
            "root:…": `'root:${PASSWORD}'`,
          });
          for (const line of commands.split("\n").filter((each) => each.startsWith("npx quorate "))) {
            await command(project, "sh", "-c", `echo '${PASSWORD}' | ${line.replace("npx", "npx --no-install")}`);
          }
          const printed = await printedBy(project, "dist/main.js", /true/);
          check(printed.trim() === "true", `it printed ${printed}`);
        } finally {
          await server.stop();
        }
        return undefined;
      },
    },
    {
      name: "quick start: an etcd (here Quorate's endpoint, under etcd's API)",
      async run() {
        const code = filledIn(block("### An etcd", "ts"), { "http://127.0.0.1:2379": endpoint });
        const project = await script("etcd", code);
        const printed = await command(project, "node", "dist/main.js");
        check(/^only I deploy now: \d+ false\n$/.test(printed), `it printed ${printed}`);
        return `Node ${(await command(project, "node", "--version")).trim()}`;
      },
    },
    {
      name: "the README's React application, in Vite with strict types",
      async run() {
        const code = filledIn(block("### In your application", "tsx"), { "https://config.example": origin });
        const rendered = `${code}
import { createRoot } from "react-dom/client";
import { StrictMode } from "react";
createRoot(document.getElementById("root") as HTMLElement).render(<StrictMode><App /></StrictMode>);
`;
        const react = ["react@19.3.1", "react-dom@19.3.1", "@types/react@19.3.3", "@types/react-dom@19.3.0"];
        const dist = await page("react", "main.tsx", rendered, react);
        return Pages.whileOpen(dist, async (pages) => {
          const shown = await pages.open(await pages.profile(), pages.address("", {}));
          await shown.locator("p", { hasText: "light" }).waitFor();
          await fetch(`${endpoint}/kv/flags/dark`, { method: "PUT", body: '{"on":true}' });
          await shown.locator("p", { hasText: "dark" }).waitFor();
        });
      },
    },
    {
      name: "the README's page without a bundler",
      async run() {
        const code = filledIn(block("### In your application", "html"), {
          "https://quorate.example": origin,
          "</script>": `  const client = connect({ endpoint: ${JSON.stringify(origin)} });
  const { value } = await client.namespace("plain/").update("visits", (count = 0) => count + 1);
  console.log("visits", value);
</script>`,
        });
        const project = await newProject(folder("plain"), { "index.html": code }, [], {});
        return Pages.whileOpen(project, async (pages) => {
          const said = await pages.said(await pages.profile(), pages.address("", {}), /^visits/);
          check(said === "visits 1", `it said ${said}`);
        });
      },
    },
  ];
}
