#!/usr/bin/env node
/** The command line: `quorate COMMAND …`. */
import module from "node:module";
import { processTerminal } from "./output/terminal.ts";

// Most of a short command's time is the compiling of its own source; the second time Node has it from its cache. What
// is imported before this line does not profit, hence the late import. Node 20 has no such cache.
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
const { run } = await import("./run.ts");

// Whoever reads our output may stop reading: `quorate get … | head -1`.
process.stdout.on("error", (error: Error & { readonly code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), processTerminal());
