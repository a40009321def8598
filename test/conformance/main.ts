/**
 * `npm run conformance`: one seeded stream of requests to a real etcd and to Quorate, and every difference between the
 * answers, with the request that made it. Both must be fresh: the stream counts on the same history in both.
 */
import { parseArgs } from "node:util";
import { Prng } from "../../src/base/prng.ts";
import { comparable, differs } from "./compare.ts";
import type { Answer } from "./compare.ts";
import { drawRequest } from "./requests.ts";
import type { GatewayRequest } from "./requests.ts";

const HELP = `Compares Quorate with a real etcd, both fresh, over the JSON gateway of each.

  npm run conformance -- --reference http://127.0.0.1:2379 [--endpoint http://127.0.0.1:8787]

  --seed N        of the stream of requests; default 1
  --count N       requests; default 10000
  --differences N stop after so many differences; default 20
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      reference: { type: "string" },
      endpoint: { type: "string", default: "http://127.0.0.1:8787" },
      seed: { type: "string", default: "1" },
      count: { type: "string", default: "10000" },
      differences: { type: "string", default: "20" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.reference === undefined) {
    process.stderr.write(`--reference is missing: the endpoint of a real, fresh etcd\n\n${HELP}`);
    return 2;
  }
  const prng = new Prng(Number(values.seed));
  let revision = 1;
  let found = 0;
  const count = Number(values.count);
  for (let at = 0; at < count && found < Number(values.differences); at++) {
    const request = drawRequest(prng, revision);
    const [reference, ours] = await Promise.all([ask(values.reference, request), ask(values.endpoint, request)]);
    revision = revisionOf(reference) ?? revision;
    if (!differs(reference, ours)) continue;
    found++;
    process.stdout.write(
      `request ${at}: ${request.path} ${request.body}\n  etcd:    ${JSON.stringify(comparable(reference))}\n` +
        `  quorate: ${JSON.stringify(comparable(ours))}\n`,
    );
  }
  process.stdout.write(
    `${found} differences in ${count} requests of seed ${values.seed}, up to revision ${revision}\n`,
  );
  return found === 0 ? 0 : 1;
}

async function ask(endpoint: string, { path, body }: GatewayRequest): Promise<Answer> {
  const response = await fetch(endpoint + path, { method: "POST", body }).catch((error: unknown) => {
    // Some requests kill an etcd; whoever runs this wants to know which.
    throw new Error(`${endpoint} did not answer ${path} ${body}`, { cause: error });
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}

function revisionOf({ body }: Answer): number | undefined {
  const revision = (body as { header?: { revision?: string } }).header?.revision;
  return revision === undefined ? undefined : Number(revision);
}

process.exitCode = await main();
