/** `npm run bench`: measures, section by section, and prints one table. */
import { unreachable } from "../../src/base/assert.ts";
import { benchBill } from "./bill.ts";
import { benchCore } from "./core.ts";
import { benchEdge } from "./edge.ts";
import type { Figure } from "./figures.ts";
import { benchGrpc } from "./grpc.ts";
import { benchOptions, type BenchOptions, HELP, type Section } from "./options.ts";
import { benchReopen } from "./reopen.ts";
import { benchScale } from "./scale.ts";
import { benchSize } from "./size.ts";
import { json, machine, table } from "./table.ts";
import { benchTabs } from "./tabs.ts";

process.exitCode = await main();

async function main(): Promise<number> {
  let options: BenchOptions;
  try {
    options = benchOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (options.isHelp) {
    process.stdout.write(HELP);
    return 0;
  }
  const figures: Figure[] = [];
  let failed = 0;
  for (const section of options.sections) {
    try {
      progress(`measuring ${section} …`);
      figures.push(...(await measure(section, options)));
    } catch (error) {
      failed++;
      console.error(`${section} could not be measured:`, error);
    }
  }
  if (options.isJson) console.log(json(figures));
  else console.log(`${machine()}, Node ${process.version}\n\n${table(figures)}`);
  return failed === 0 ? 0 : 1;
}

function measure(section: Section, options: BenchOptions): Promise<readonly Figure[]> {
  switch (section) {
    case "core":
      return benchCore(options);
    case "edge":
      return benchEdge(options);
    case "grpc":
      return benchGrpc(options);
    case "tabs":
      return benchTabs(options);
    case "scale":
      return benchScale(options);
    case "reopen":
      return benchReopen(options);
    case "size":
      return benchSize();
    case "bill":
      return benchBill(options);
    default:
      return unreachable(section);
  }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
