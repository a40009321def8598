/** The part of the process that a command uses, so that tests can replace it. */
import { writeSync } from "node:fs";

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to stdout. Resolves when there is room for more. */
  write(data: string | Uint8Array): Promise<void>;
  /** Writes to stderr, synchronously. */
  writeError(text: string): void;
  /** Returns all of stdin; undefined if it is longer than `maxBytes`. */
  readInput(maxBytes: number): Promise<Uint8Array | undefined>;
  readonly inputIsTty: boolean;
  /** Asks on stderr, and returns a line that is typed without being shown. Only where stdin is a terminal. */
  readSecret(prompt: string): Promise<string>;
  /** Columns of the terminal at stderr; undefined if stderr is not a terminal. */
  readonly errorColumns: number | undefined;
  /**
   * Calls back on SIGINT or SIGTERM, which then no longer end the process. Returns a function that removes the handler.
   */
  onInterrupt(listener: () => void): () => void;
}

export function processTerminal(): Terminal {
  return {
    env: process.env,
    write: writeOutput,
    writeError: (text) => {
      writeSync(2, text);
    },
    readInput,
    inputIsTty: process.stdin.isTTY,
    readSecret,
    errorColumns: process.stderr.isTTY ? process.stderr.columns : undefined,
    onInterrupt(listener) {
      process.on("SIGINT", listener);
      process.on("SIGTERM", listener);
      return () => {
        process.off("SIGINT", listener);
        process.off("SIGTERM", listener);
      };
    },
  };
}

function writeOutput(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

async function readInput(maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACES = ["\u007f", "\b"];

/** In raw mode the terminal shows nothing, and leaves it to us what keys mean. */
function readSecret(prompt: string): Promise<string> {
  const { stdin } = process;
  writeSync(2, prompt);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve) => {
    const typed: string[] = [];
    const end = (): void => {
      stdin.off("data", take);
      stdin.setRawMode(false);
      stdin.pause();
      writeSync(2, "\n");
    };
    const take = (text: string): void => {
      for (const character of text) {
        if (character === CTRL_C) {
          end();
          process.kill(process.pid, "SIGINT");
          return;
        }
        if (character === "\r" || character === "\n" || character === CTRL_D) {
          end();
          resolve(typed.join(""));
          return;
        }
        if (BACKSPACES.includes(character)) typed.pop();
        else typed.push(character);
      }
    };
    stdin.on("data", take);
  });
}
