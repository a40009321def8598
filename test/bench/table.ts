/** The figures as people read them, and as programs do. */
import { availableParallelism, cpus, totalmem } from "node:os";
import { type Aim, type Figure, isMet, spreadOf } from "./figures.ts";

const COLUMNS = ["", "median", "min … max", "unit", "aim", "command"] as const;
/** These hold numbers. */
const RIGHT_ALIGNED: ReadonlySet<number> = new Set([1, 2, 4]);

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(rowOf);
  const widths = COLUMNS.map((column, at) => Math.max(column.length, ...rows.map((row) => (row[at] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (RIGHT_ALIGNED.has(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd();
  const notes = figures.filter(({ note }) => note !== undefined).map(({ name, note }) => `${name}: ${note}`);
  return [line(COLUMNS), ...rows.map(line), ...(notes.length === 0 ? [] : ["", ...notes])].join("\n");
}

export function json(figures: readonly Figure[]): string {
  const shown = figures.map((figure) => {
    const { name, unit, runs, aim, command, note } = figure;
    return { name, unit, ...spreadOf(runs), runs, aim, met: isMet(figure), command, note };
  });
  return JSON.stringify({ machine: machine(), node: process.version, figures: shown }, undefined, 2);
}

/** No figure means much without it. */
export function machine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${gigabytes} GB`;
}

function rowOf(figure: Figure): readonly string[] {
  const { name, unit, runs, aim, command } = figure;
  const spread = spreadOf(runs);
  const met = isMet(figure);
  const mark = met === undefined ? "" : met ? " ✓" : " ✗";
  if (spread === undefined) return [name, "–", "", unit, aimText(aim), command];
  const range = runs.length < 2 ? "" : `${short(spread.min)} … ${short(spread.max)}`;
  return [name, short(spread.median), range, unit, `${aimText(aim)}${mark}`, command];
}

function aimText(aim: Aim | undefined): string {
  if (aim === undefined) return "";
  return `${aim.type === "at-least" ? "≥" : "≤"} ${short(aim.value)}`;
}

/** Three digits are all that such figures are good for. */
function short(value: number): string {
  return value.toLocaleString("en", value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}
