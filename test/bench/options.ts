/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";

export type Section = "core" | "edge" | "grpc" | "tabs" | "reopen" | "scale" | "size" | "bill";

/**
 * What is measured unless sections are named. The bill is no speed, and takes minutes in which nothing happens; a store that
 * is worth reopening takes minutes to write.
 */
const USUAL: readonly Section[] = ["core", "edge", "grpc", "tabs", "size"];
const SECTIONS: readonly Section[] = [...USUAL, "reopen", "scale", "bill"];

/** What can be measured of the bill alone. A name is that of one or more rows. */
export const BILL_ROWS = ["put", "puts", "lease", "status", "idle", "wake", "watch"] as const;
export type BillRow = (typeof BILL_ROWS)[number];
const BILL_SIZES = ["1", "3", "5"];
/** The same of an edge with many keys. */
export const SCALE_ROWS = ["cold", "count", "puts", "paced", "check-perf"] as const;
export type ScaleRow = (typeof SCALE_ROWS)[number];
const ALL_ROWS = [...BILL_ROWS, ...SCALE_ROWS] as const;
const KEYS_MAX = 1_000_000;

export const HELP: string = `Measures how fast Quorate is on this machine, and prints a table.

  npm run bench                        everything, in about ten minutes
  npm run bench -- core edge           these sections: ${SECTIONS.join(", ")}
  npm run bench -- bill                what Cloudflare would charge, for 1, 3 and 5 members, in about five minutes
  npm run bench -- bill --members 3 --rows puts,wake
                                       only that, of clusters of these sizes; rows: ${BILL_ROWS.join(", ")}
  npm run bench -- scale --keys 600000 --rows count
                                       the edge with that many keys (default 100,000); rows: ${SCALE_ROWS.join(", ")}
                                       (which needs --etcdctl PATH)
  npm run bench -- --quick             fewer and shorter runs, about two minutes
  npm run bench -- --json              the same as JSON, with every run
  npm run bench -- edge grpc --reference URL[,URL…]
                                       also loads the etcd at these client addresses (all members of one cluster;
                                       its leader is asked), run by run in turn with ours, and prints the ratio
  npm run bench -- --help              this text
`;

export interface BenchOptions {
  readonly isHelp: boolean;
  readonly isJson: boolean;
  readonly isQuick: boolean;
  readonly reference: readonly string[];
  /** Of the bill. */
  readonly members: readonly number[];
  readonly rows: ReadonlySet<BillRow>;
  /** Of an edge with many keys. */
  readonly scaleRows: ReadonlySet<ScaleRow>;
  readonly keys: number;
  /** Path of an etcdctl; empty: none. */
  readonly etcdctl: string;
  readonly sections: readonly Section[];
}

/** Throws an error whose message is for the user. */
export function benchOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h", default: false },
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      reference: { type: "string", default: "" },
      members: { type: "string", default: BILL_SIZES.join() },
      rows: { type: "string", default: ALL_ROWS.join() },
      keys: { type: "string", default: "100000" },
      etcdctl: { type: "string", default: "" },
    },
  });
  const sections = positionals.map((name) => {
    const section = SECTIONS.find((known) => known === name);
    if (section === undefined) throw new Error(`There is no section "${name}"; there are ${SECTIONS.join(", ")}.`);
    return section;
  });
  const reference = values.reference
    .split(",")
    .filter((url) => url !== "")
    .map((url) => {
      if (!/^http:\/\/./.test(url) || !URL.canParse(url)) throw new Error(`"${url}" is no http:// address of an etcd.`);
      return url.replace(/\/+$/, "");
    });
  const rows: ReadonlySet<string> = new Set(chosen("--rows", values.rows, ALL_ROWS));
  const keys = Number(values.keys);
  if (!Number.isInteger(keys) || keys < 1 || keys > KEYS_MAX) throw new Error(`--keys is a number up to ${KEYS_MAX}.`);
  return {
    isHelp: values.help,
    isJson: values.json,
    isQuick: values.quick,
    reference,
    members: chosen("--members", values.members, BILL_SIZES).map(Number),
    rows: new Set(BILL_ROWS.filter((row) => rows.has(row))),
    scaleRows: new Set(SCALE_ROWS.filter((row) => rows.has(row))),
    keys,
    etcdctl: values.etcdctl,
    sections: sections.length === 0 ? USUAL : sections,
  };
}

/** In their own order. */
function chosen<Name extends string>(flag: string, text: string, known: readonly Name[]): readonly Name[] {
  const given = text.split(",");
  if (!given.every((each) => known.some((name) => name === each))) {
    throw new Error(`${flag} is a list of ${known.join(", ")}, not "${text}".`);
  }
  return known.filter((name) => given.includes(name));
}
