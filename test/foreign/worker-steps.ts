/** A worker of somebody else's: type-checked, built by wrangler, served by workerd, with Quorate below a prefix of it. */
import { readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { command, tool } from "./command.ts";
import { check, type Step } from "./steps.ts";
import { until } from "./until.ts";
import { whileServed, type WorkerdOptions } from "./workerd.ts";

const SETUP_TOKEN = "a setup token of a foreign worker";
const SERVED: WorkerdOptions = {
  objects: { MEMBERS: "EdgeMember", ROOMS: "RoomSignalling" },
  variables: { SETUP_TOKEN },
};
const OWNER = { authorization: `Bearer ${SETUP_TOKEN}` };

export function workerSteps(install: () => Promise<string>): readonly Step[] {
  let folder = "";
  const served = (run: (url: string) => Promise<void>) => async (): Promise<undefined> => {
    await whileServed(folder, SERVED, run);
    return undefined;
  };
  return [
    {
      name: "a worker: types",
      async run() {
        folder = await install();
        await tool(folder, "typescript/bin/tsc", "-p", join(folder, "bundler.json"));
        return undefined;
      },
    },
    {
      name: "a worker: wrangler builds it",
      async run() {
        const printed = await tool(folder, "wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "dist");
        check((await readdir(join(folder, "dist"))).includes("index.js"), printed);
        return /gzip: [\d.]+ KiB/.exec(printed)?.[0];
      },
    },
    { name: "a worker: its routes beside Quorate's, closed, and its client without HTTP", run: served(routes) },
    { name: "a worker: a caller whose connection is reset is out of a lock's queue", run: served(goneCaller) },
    {
      name: "a worker: a script's connect() finds it below the prefix",
      run: served(async (url) => {
        const script = `import { connect } from "quorate";
          const client = connect({ endpoint: ${JSON.stringify(`${url}/quorate`)}, token: ${JSON.stringify(SETUP_TOKEN)} });
          await client.kv.put("from-node", "1");
          if (client.toText((await client.kv.range("from-node")).kvs[0].value) !== "1") throw new Error("not there");
          const watcher = client.watch("from-node", { startRevision: 1 });
          if ((await watcher.next()).value.events.length === 0) throw new Error("nothing was seen");
          client.close();`;
        await writeFile(join(folder, "script.js"), script);
        await command(folder, "node", "script.js");
      }),
    },
  ];
}

async function routes(url: string): Promise<void> {
  const text = async (path: string, init?: RequestInit): Promise<string> => (await fetch(url + path, init)).text();
  const own = await fetch(`${url}/anything`);
  is(await own.text(), "the worker's own");
  is(own.headers.get("content-security-policy"), null);
  is((await fetch(`${url}/quorate/kv/own`)).status, 401);
  is((await fetch(`${url}/quorate/health`)).status, 200);
  is((await fetch(`${url}/quorate/metrics`, { headers: OWNER })).status, 403);
  is((await fetch(`${url}/kv/own`, { headers: OWNER })).headers.get("etag"), null);

  is((await fetch(`${url}/quorate/kv/own`, { method: "PUT", body: "by HTTP", headers: OWNER })).status, 200);
  is(await text("/get"), "by HTTP");
  await text("/put", { method: "POST", body: "by the worker" });
  const read = await fetch(`${url}/quorate/kv/own`, { headers: OWNER });
  is(await read.text(), "by the worker");
  is(read.headers.get("x-content-type-options"), "nosniff");
  is(await text("/watch?key=watched"), "seen");
  is(await text("/lock?key=lock"), "true");
}

async function goneCaller(url: string): Promise<void> {
  const queue = async (): Promise<number> => {
    const listed = await fetch(`${url}/quorate/kv/gone/?prefix&keys`, { headers: OWNER });
    return ((await listed.json()) as { readonly count: number }).count;
  };
  const holding = fetch(`${url}/wait?key=gone`);
  await (await holding).text();
  is(await queue(), 1);
  // workerd hears of a connection that is reset. Of one that is closed in order, nobody tells a worker that has not answered.
  const waiting = connect(Number(new URL(url).port), "127.0.0.1");
  waiting.on("error", () => {});
  waiting.write("GET /wait?key=gone HTTP/1.1\r\nhost: x\r\n\r\n");
  await until("the second caller in the queue", async () => (await queue()) === 2);
  waiting.resetAndDestroy();
  await until("the second caller out of the queue", async () => (await queue()) === 1);
}

function is(actual: unknown, expected: unknown): void {
  check(Object.is(actual, expected), `it is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}
