/** Responds with NDJSON, whose lines are produced when the reader has room for them. The last line may be an error. */
import { JSON_TYPE, streamErrorLine, streamErrorResponse } from "./errors.ts";

export interface NdjsonSource {
  /** Returns the next line; undefined at the end. */
  next(): Promise<string | undefined>;
  /** Called when the reader disconnects or all lines are sent; may be called more than once. */
  close(): void;
}

const encoder = new TextEncoder();

/**
 * Waits for the first line, so that an early error has its own HTTP status. After `probeAfterMs` of silence it starts
 * the response and writes an empty line: on some platforms only a failed write reveals that the client is gone.
 */
export async function ndjsonResponse(
  signal: AbortSignal,
  lines: NdjsonSource,
  probeAfterMs: number,
): Promise<Response> {
  // An abort before this point, while the request was read, fires no event any more.
  if (signal.aborted) lines.close();
  signal.addEventListener("abort", () => lines.close(), { once: true });
  const pending = lines.next();
  let first: string | undefined;
  try {
    first = await orSilence(pending, probeAfterMs);
  } catch (error) {
    lines.close();
    return streamErrorResponse(error);
  }
  if (first === undefined) {
    lines.close();
    // etcd's gateway sends the content type with the first line.
    return new Response(null);
  }
  const reading = new Reading(pending, lines, probeAfterMs);
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { text, isLast } = await reading.next();
        if (text !== undefined) controller.enqueue(encoder.encode(text));
        if (!isLast) return;
        lines.close();
        controller.close();
      },
      cancel: () => lines.close(),
    },
    // Nothing is requested from the member until the reader requests it.
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": JSON_TYPE } });
}

class Reading {
  readonly #lines: NdjsonSource;
  readonly #probeAfterMs: number;
  /** The pending next line. */
  #next: Promise<string | undefined> | undefined;

  constructor(first: Promise<string | undefined>, lines: NdjsonSource, probeAfterMs: number) {
    this.#next = first;
    this.#lines = lines;
    this.#probeAfterMs = probeAfterMs;
  }

  async next(): Promise<{ readonly text: string | undefined; readonly isLast: boolean }> {
    this.#next ??= this.#lines.next();
    try {
      const text = await orSilence(this.#next, this.#probeAfterMs);
      if (text !== SILENCE) this.#next = undefined;
      return { text, isLast: text === undefined };
    } catch (error) {
      return { text: streamErrorLine(error), isLast: true };
    }
  }
}

const SILENCE = "\n";

async function orSilence(next: Promise<string | undefined>, afterMs: number): Promise<string | undefined> {
  let stop = (): void => {};
  const silence = new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve(SILENCE), afterMs);
    stop = () => clearTimeout(timer);
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    stop();
  }
}
