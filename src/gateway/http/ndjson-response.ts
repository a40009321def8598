/** An answer of lines that are made when the reader has room for them: a JSON object each, the last one may be an error. */
import { JSON_TYPE, streamErrorLine, streamErrorResponse } from "./errors.ts";

export interface NdjsonSource {
  /** undefined at the end. */
  next(): Promise<string | undefined>;
  /** The reader is gone, or all is told. Called more than once. */
  close(): void;
}

const encoder = new TextEncoder();

/**
 * Answers once the first line is there, so that an error before it still has an HTTP status of its own. After
 * `probeAfterMs` of silence an empty line finds out whether anybody reads; a platform that does not tell of a caller who
 * left can find it out by no other means, so by then the answer begins, line or not.
 */
export async function ndjsonResponse(
  signal: AbortSignal,
  lines: NdjsonSource,
  probeAfterMs: number,
): Promise<Response> {
  // Who left while the request was read is not told of any more.
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
    // etcd's gateway says what it sends with the first of it.
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
    // Nothing is asked of the member for a reader that has not asked.
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": JSON_TYPE } });
}

class Reading {
  readonly #lines: NdjsonSource;
  readonly #probeAfterMs: number;
  /** The line that is being waited for. */
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
