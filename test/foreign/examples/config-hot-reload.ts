/** A shop's worker, configured while it serves. */
import { join } from "node:path";
import { tool } from "../command.ts";
import { check } from "../steps.ts";
import { until } from "../until.ts";
import { whileServed } from "../workerd.ts";

const SETUP_TOKEN = "a setup token of the example";
const BURST = 50;

interface Answer {
  readonly text: string;
  readonly reads: number;
}

export async function hotReload(folder: string): Promise<void> {
  await tool(folder, "typescript/bin/tsc", "-p", join(folder, "tsconfig.json"));
  await tool(folder, "wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "dist");
  const served = { objects: { MEMBERS: "EdgeMember" }, variables: { SETUP_TOKEN } };
  await whileServed(folder, served, async (url) => {
    const ask = async (): Promise<Answer> => {
      const response = await fetch(url);
      check(response.ok, `the shop answered ${response.status}`);
      return { text: await response.text(), reads: Number(response.headers.get("x-config-reads")) };
    };
    const put = async (body: string): Promise<void> => {
      const headers = { authorization: `Bearer ${SETUP_TOKEN}` };
      const response = await fetch(`${url}/quorate/kv/config/shop`, { method: "PUT", body, headers });
      check(response.ok, `the put was answered with ${response.status}`);
    };
    check((await ask()).text.startsWith("Welcome\n"), "the defaults are not served");

    await put('{"banner":"Sale","freeShippingFrom":0}');
    await until("the new banner", async () => (await ask()).text === "Sale\nFree shipping from 0 €\n");

    // One read for each second, however many ask.
    const before = (await ask()).reads;
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: BURST }, ask));
    const reads = (await ask()).reads - before;
    const seconds = (performance.now() - beganMs) / 1_000;
    check(reads <= seconds + 1, `${reads} reads for ${BURST + 1} requests in ${seconds} s`);

    // What is no configuration is read, and changes nothing.
    await put('{"banner":7}');
    const { reads: asked } = await ask();
    await until("two more reads", async () => (await ask()).reads >= asked + 2);
    check((await ask()).text.startsWith("Sale\n"), "a bad configuration was served");
    await put('{"banner":"Closed","freeShippingFrom":0}');
    await until("the last banner", async () => (await ask()).text.startsWith("Closed\n"));
  });
}
