/** A terminal that remembers what was printed. */
import { run } from "../../../src/cli/run.ts";
import type { Terminal } from "../../../src/cli/output/terminal.ts";

export interface Session {
  readonly code: number;
  readonly out: string;
  readonly outBytes: Uint8Array;
  readonly err: string;
}

export interface FakeOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin holds; without it stdin is a terminal. */
  readonly input?: Uint8Array;
  readonly errorColumns?: number;
  /** What is typed when a secret is asked for, one after the other. */
  readonly secrets?: readonly string[];
  /** Called with each piece that goes to stdout. */
  readonly onWrite?: (text: string) => void;
}

export class FakeTerminal implements Terminal {
  readonly env: Readonly<Record<string, string>>;
  readonly inputIsTty: boolean;
  readonly errorColumns: number | undefined;
  readonly #options: FakeOptions;
  readonly #interrupts: Set<() => void> = new Set();
  readonly #out: Uint8Array[] = [];
  #asked = 0;
  err: string = "";

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.env = options.env ?? {};
    this.inputIsTty = options.input === undefined;
    this.errorColumns = options.errorColumns;
  }

  async write(data: string | Uint8Array): Promise<void> {
    this.#out.push(typeof data === "string" ? new TextEncoder().encode(data) : data);
    this.#options.onWrite?.(typeof data === "string" ? data : "");
  }

  writeError(text: string): void {
    this.err += text;
  }

  async readInput(maxBytes: number): Promise<Uint8Array | undefined> {
    const input = this.#options.input ?? new Uint8Array();
    return input.length > maxBytes ? undefined : input;
  }

  async readSecret(prompt: string): Promise<string> {
    this.err += `${prompt}\n`;
    const typed = this.#options.secrets?.[this.#asked++];
    if (typed === undefined) throw new Error("nobody types");
    return typed;
  }

  onInterrupt(listener: () => void): () => void {
    this.#interrupts.add(listener);
    return () => this.#interrupts.delete(listener);
  }

  interrupt(): void {
    for (const listener of this.#interrupts) listener();
  }

  get listeners(): number {
    return this.#interrupts.size;
  }

  get outBytes(): Uint8Array {
    return Buffer.concat(this.#out);
  }
}

/** Runs one command line against an endpoint. */
export async function quorate(endpoint: string, args: readonly string[], options: FakeOptions = {}): Promise<Session> {
  const terminal = new FakeTerminal({ ...options, env: { QUORATE_ENDPOINT: endpoint, ...options.env } });
  const code = await run(args, terminal);
  const { outBytes, err } = terminal;
  return { code, outBytes, out: new TextDecoder().decode(outBytes), err };
}
