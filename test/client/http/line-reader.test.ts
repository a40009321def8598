import fc from "fast-check";
import { expect, test } from "vitest";
import { LineReader } from "../../../src/client/http/line-reader.ts";

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

async function linesOf(reader: LineReader): Promise<string[]> {
  const lines: string[] = [];
  for (let line = await reader.next(); line !== undefined; line = await reader.next()) lines.push(line);
  return lines;
}

test("lines come whole, wherever the stream was cut, even inside a character", async () => {
  const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, "").trim());
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(40)), async (lines, sizes) => {
      const bytes = new TextEncoder().encode(lines.map((text) => `${text}\n`).join(""));
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const size of sizes) {
        chunks.push(bytes.slice(at, at + size));
        at += size;
      }
      chunks.push(bytes.slice(at));
      expect(await linesOf(new LineReader(streamOf(chunks)))).toEqual(lines.filter((text) => text !== ""));
    }),
  );
});

test("an unfinished last line of a stream is dropped", async () => {
  const bytes = new TextEncoder().encode("one\ntwo");
  expect(await linesOf(new LineReader(streamOf([bytes])))).toEqual(["one"]);
});

test("a line beyond the limit is an error, before it is buffered", async () => {
  const chunks = Array.from({ length: 100 }, () => new Uint8Array(10).fill(65));
  await expect(new LineReader(streamOf(chunks), 50).next()).rejects.toThrow("longer than 50 bytes");
});
