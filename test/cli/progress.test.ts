import { expect, test } from "vitest";
import { bytesText, Progress } from "../../src/cli/output/progress.ts";
import { FakeTerminal } from "./support/fake-terminal.ts";

function progressOn(
  terminal: FakeTerminal,
  quiet = false,
): { readonly progress: Progress; readonly wait: (ms: number) => void } {
  let nowMs = 0;
  const progress = new Progress(terminal, { quiet, unit: "files", nowMs: () => nowMs });
  return { progress, wait: (ms) => (nowMs += ms) };
}

test("on a terminal, progress is a bar on one line that is gone at the end", () => {
  const terminal = new FakeTerminal({ errorColumns: 80 });
  const { progress, wait } = progressOn(terminal);
  progress.total = 4;
  wait(500);
  progress.advance(1024);
  expect(terminal.err).toBe("\r\x1b[K[######..................] 25% 1 of 4 files, 1.0 KiB, 2/s");
  progress.clear();
  expect(terminal.err.endsWith("\r\x1b[K")).toBe(true);
});

test("the bar never wraps, and is not drawn more often than can be seen", () => {
  const terminal = new FakeTerminal({ errorColumns: 20 });
  const { progress, wait } = progressOn(terminal);
  progress.total = 1000;
  for (let at = 0; at < 100; at++) {
    wait(10);
    progress.advance(1);
  }
  const drawn = terminal.err.split("\r\x1b[K").slice(1);
  expect(drawn).toHaveLength(10);
  for (const line of drawn) expect(line.length).toBeLessThan(20);
});

test("elsewhere, progress is a plain line every five seconds, without a total while it is unknown", () => {
  const terminal = new FakeTerminal();
  const { progress, wait } = progressOn(terminal);
  for (let at = 0; at < 12; at++) {
    wait(1000);
    progress.advance(10);
  }
  progress.clear();
  expect(terminal.err).toBe("5 files, 50 B, 1/s\n10 files, 100 B, 1/s\n");
});

test("with --quiet, there is none", () => {
  const terminal = new FakeTerminal({ errorColumns: 80 });
  const { progress, wait } = progressOn(terminal, true);
  wait(60_000);
  progress.advance(1);
  progress.clear();
  expect(terminal.err).toBe("");
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1.5 * 1024 * 1024, "1.5 MiB"],
  [3 * 1024 ** 4, "3.0 TiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
