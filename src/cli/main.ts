#!/usr/bin/env node
/** The command line: `quorate COMMAND …`. */
import module from "node:module";
import { processTerminal } from "./output/terminal.ts";

// Compiling its own source takes most of a short command's time. From the second run on Node loads it from its cache.
// The cache does not apply to modules imported before this line, hence the dynamic import. Node 20 has no such cache.
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
const { run } = await import("./run.ts");

// The reader of the output may stop reading: `quorate get … | head -1`.
process.stdout.on("error", (error: Error & { readonly code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), processTerminal());
