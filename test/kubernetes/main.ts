/** `npm run kubernetes`: what kube-apiserver asks of etcd, at full size, and how long it takes. */
import { parseArgs } from "node:util";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { buildAll } from "../../worker/local/build.ts";
import { EdgeFolder } from "../bench/edge/server.ts";
import { serveGrpc, startGrpcMember } from "../grpc/support/served-grpc.ts";
import { play, type Step } from "./play.ts";

const HELP = `Plays kube-apiserver: checks every answer and event, and tells how long each step took.

  npm run kubernetes                         a member in memory, then three at the edge, both behind the gRPC front
  npm run kubernetes -- memory               one of them: memory, edge
  npm run kubernetes -- --grpc HOST:PORT     an etcd, or a gRPC front, that runs already
  npm run kubernetes -- --objects 10000 --watches 1000 --bytes 2048
`;

interface Place {
  readonly address: string;
  stop(): Promise<void>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    grpc: { type: "string" },
    objects: { type: "string", default: "10000" },
    watches: { type: "string", default: "1000" },
    bytes: { type: "string", default: "2048" },
  },
});
if (values.help) process.stdout.write(HELP);
else for (const [name, start] of places()) await playAt(name, start);
process.exit(0);

function places(): readonly (readonly [string, () => Promise<Place>])[] {
  const { grpc } = values;
  if (grpc !== undefined) return [[grpc, async () => ({ address: grpc, stop: async () => {} })]];
  const names = positionals.length === 0 ? ["memory", "edge"] : positionals;
  return names.map((name) => {
    if (name === "memory") return ["a member in memory", startInMemory];
    if (name === "edge") return ["three members at the edge", startAtTheEdge];
    throw new Error(`there is no "${name}"; there are memory and edge`);
  });
}

async function playAt(name: string, start: () => Promise<Place>): Promise<void> {
  const place = await start();
  console.log(`${name}:`);
  try {
    const size = {
      objects: Number(values.objects),
      watches: Number(values.watches),
      objectBytes: Number(values.bytes),
    };
    const resources = Math.max(1, Math.floor(size.objects / 100));
    const shape = { resources, apiservers: 10, inFlight: 64, pageLimit: 30 };
    await play({ address: place.address, ...size, ...shape }, printed);
  } finally {
    await place.stop();
  }
}

function printed({ name, count, tookMs }: Step): void {
  const perSecond = Math.round((count / tookMs) * 1000).toLocaleString("en");
  console.log(
    `  ${name.padEnd(48)} ${count.toLocaleString("en").padStart(8)} in ${Math.round(tookMs)} ms, ${perSecond}/s`,
  );
}

async function startInMemory(): Promise<Place> {
  const proxy = await startGrpcMember();
  return { address: proxy.address, stop: () => proxy.close() };
}

async function startAtTheEdge(): Promise<Place> {
  await buildAll();
  const folder = await EdgeFolder.make();
  const edge = await folder.start();
  const services = endpointServices({ endpoint: edge.url, timeoutMs: 10_000 });
  const proxy = await serveGrpc(services);
  return {
    address: proxy.address,
    async stop() {
      await proxy.close();
      await edge.stop();
      await folder.remove();
    },
  };
}
