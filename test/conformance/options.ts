/** The options of `npm run conformance`. */
import { parseArgs } from "node:util";
import { SERVICES, type Service } from "./draw/draw.ts";

export const HELP: string = `Compares Quorate with a real etcd v3.7 over the JSON gateway of each, on one seeded stream of requests: valid, odd
and broken ones, with watches, waiting locks and campaigns beside.

  npm run conformance -- --etcd /path/to/etcd             starts a fresh etcd for each seed
  npm run conformance -- --reference http://127.0.0.1:2379  or takes one that runs, which must be fresh

Quorate is one member in this process, or:
  --members N       so many members in this process; each request goes to another one
  --edge            three members at the edge, under workerd, started here (npm run build comes first)
  --endpoint URL    whatever answers there, which must be fresh

  --seed N          of the stream; default 1
  --seeds N         so many, one after the other; default 1
  --count N         requests of each; default 10000
  --service LIST    only these: ${SERVICES.join(",")}
  --leader-change   Quorate's leader loses its place twice on the way (--members 3, --edge)
  --differences N   stop after so many; default 20
  --context N       steps printed before each difference; default 0
  --shorten         find few steps that make the first difference (with --etcd)
  --record FILE     compare nothing; keep etcd's answers for npm test

Not compared, because it must differ: ids of cluster and members, Raft's term and indexes, who leads; tokens, and ids and
keys that the server chose (they are followed by name, but not in the list of leases); the seconds that a lease has left, and the order in lists of leases and of a
lease's keys; names, addresses and sizes of members, hashes of stores; how a watch's events are batched, and the header of a batch (that
no revision is torn apart is looked at); the error with which a stream over a WebSocket ends; spaces that protojson puts into its texts at random.
`;

export interface ConformanceOptions {
  readonly help: boolean;
  readonly reference: string | undefined;
  readonly etcd: string | undefined;
  readonly endpoint: string | undefined;
  readonly edge: boolean;
  readonly members: number;
  readonly seed: number;
  readonly seeds: number;
  readonly count: number;
  readonly services: readonly Service[];
  readonly leaderChange: boolean;
  readonly differences: number;
  readonly context: number;
  readonly shorten: boolean;
  readonly record: string | undefined;
}

/** A text says what is wrong. */
export function conformanceOptions(argv: readonly string[]): ConformanceOptions | string {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      reference: { type: "string" },
      etcd: { type: "string" },
      endpoint: { type: "string" },
      edge: { type: "boolean", default: false },
      members: { type: "string", default: "1" },
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      count: { type: "string", default: "10000" },
      service: { type: "string", default: SERVICES.join(",") },
      "leader-change": { type: "boolean", default: false },
      differences: { type: "string", default: "20" },
      context: { type: "string", default: "0" },
      shorten: { type: "boolean", default: false },
      record: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const services = values.service.split(",");
  const unknown = services.find((service) => !(SERVICES as readonly string[]).includes(service));
  if (unknown !== undefined) return `there is no service ${unknown}`;
  if (!values.help && values.reference === undefined && values.etcd === undefined) {
    return "--etcd or --reference is missing: a real etcd to compare with";
  }
  return {
    help: values.help,
    reference: values.reference,
    etcd: values.etcd,
    endpoint: values.endpoint,
    edge: values.edge,
    members: Number(values.members),
    seed: Number(values.seed),
    seeds: Number(values.seeds),
    count: Number(values.count),
    services: services as readonly Service[],
    leaderChange: values["leader-change"],
    differences: Number(values.differences),
    context: Number(values.context),
    shorten: values.shorten,
    record: values.record,
  };
}
