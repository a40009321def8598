/** The Grafana dashboard: each query asks for what a member really exports. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const FILE = join(import.meta.dirname, "../../worker/grafana-dashboard.json");
const { panels } = JSON.parse(readFileSync(FILE, "utf8")) as { readonly panels: readonly Panel[] };
const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));

let served: ServedMember;
let exported: string;

beforeAll(async () => {
  served = await serveMember();
  const post = async (path: string, body: object): Promise<void> => {
    const response = await fetch(`${served.endpoint}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
    await response.text();
  };
  await post("kv/put", { key: btoa("a"), value: btoa("b") });
  await post("kv/range", { key: btoa("a"), revision: 99 });
  await post("maintenance/alarm", { action: "ACTIVATE", alarm: "NOSPACE" });
  exported = await (await fetch(`${served.endpoint}/metrics`)).text();
});
afterAll(() => served.close());

/** Of one metric: the labels of all its samples. */
function labelsOf(name: string): ReadonlySet<string> | undefined {
  const samples = exported.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  if (samples.length === 0) return undefined;
  return new Set(samples.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label]) => label ?? "")));
}

/** The first two are the edge's own (test/worker/edge/edge-upkeep.test.ts), the third Prometheus' when it scrapes. */
const OF_SCRAPE = ["cluster", "member", "instance"];

test.each(queries)("%s", (_title, expr) => {
  const names = [...expr.matchAll(/\b(?:etcd|grpc|quorate)_\w+/g)]
    .map(([name]) => name)
    .filter((name) => !/^grpc_(?:method|code)$/.test(name));
  expect(names.length).toBeGreaterThan(0);
  const labels = new Set(
    names.flatMap((name) => {
      const found = labelsOf(name);
      expect([name, found === undefined]).toEqual([name, false]);
      return [...(found ?? [])];
    }),
  );
  const groups = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(",").map((label) => label.trim()),
  );
  const matched = [...expr.matchAll(/(\w+)!?=~?"/g)].map(([, label = ""]) => label);
  for (const label of [...groups, ...matched].filter((one) => !OF_SCRAPE.includes(one)))
    expect([...labels]).toContain(label);
  expect(expr.split("(").length).toBe(expr.split(")").length);
});

test("there are panels, each with a number of its own", () => {
  expect(panels.length).toBeGreaterThan(8);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});
