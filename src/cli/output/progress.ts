/**
 * How far a long job is, on stderr: a bar on a terminal, a line every few seconds elsewhere, nothing when quiet.
 *
 * Not a library: the drawing is ten lines, and cli-progress would bring a second dependency for them.
 */
import type { Terminal } from "./terminal.ts";

export interface ProgressOptions {
  readonly quiet: boolean;
  /** What is counted: "files". */
  readonly unit: string;
  readonly nowMs?: () => number;
}

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 5000;
const BAR_WIDTH = 24;

export class Progress {
  readonly #terminal: Terminal;
  readonly #options: ProgressOptions;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #shownMs: number;
  #drawn = false;
  #done = 0;
  #bytes = 0;
  /** Undefined while unknown. */
  total: number | undefined;

  constructor(terminal: Terminal, options: ProgressOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#startMs = this.#nowMs();
    this.#shownMs = this.#startMs;
  }

  get seconds(): number {
    return (this.#nowMs() - this.#startMs) / 1000;
  }

  advance(bytes: number): void {
    this.#done++;
    this.#bytes += bytes;
    this.#show();
  }

  /** Called before anything else is printed, and at the end. */
  clear(): void {
    if (this.#drawn) this.#terminal.writeError("\r\x1b[K");
    this.#drawn = false;
  }

  #show(): void {
    if (this.#options.quiet) return;
    const columns = this.#terminal.errorColumns;
    const nowMs = this.#nowMs();
    if (nowMs - this.#shownMs < (columns === undefined ? LINE_EVERY_MS : BAR_EVERY_MS)) return;
    this.#shownMs = nowMs;
    if (columns === undefined) return this.#terminal.writeError(`${this.#text()}\n`);
    this.#drawn = true;
    const line = `${this.#bar()}${this.#text()}`.slice(0, Math.max(columns - 1, 1));
    this.#terminal.writeError(`\r\x1b[K${line}`);
  }

  #bar(): string {
    if (this.total === undefined || this.total === 0) return "";
    const share = Math.min(this.#done / this.total, 1);
    const filled = Math.round(share * BAR_WIDTH);
    return `[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)}% `;
  }

  #text(): string {
    const of = this.total === undefined ? "" : ` of ${this.total}`;
    const perSecond = Math.round(this.#done / Math.max(this.seconds, 0.001));
    return `${this.#done}${of} ${this.#options.unit}, ${bytesText(this.#bytes)}, ${perSecond}/s`;
  }
}

export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
