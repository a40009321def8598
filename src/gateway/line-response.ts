/** An answer of lines that are made when the reader has room for them: a JSON object each, the last one may be an error. */
import { JSON_TYPE, streamErrorLine, streamErrorResponse } from "./errors.ts";

export interface Lines {
  /** undefined at the end. */
  next(): Promise<string | undefined>;
  /** The reader is gone, or all is told. Called more than once. */
  close(): void;
}

const encoder = new TextEncoder();

/** Answers once the first line is there, so that an error before it still has an HTTP status of its own. */
export async function lineResponse(signal: AbortSignal, lines: Lines): Promise<Response> {
  signal.addEventListener("abort", () => lines.close(), { once: true });
  let first: string | undefined;
  try {
    first = await lines.next();
  } catch (error) {
    lines.close();
    return streamErrorResponse(error);
  }
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let failure: string | undefined;
        const line =
          first ??
          (await lines.next().catch((error: unknown) => {
            failure = streamErrorLine(error);
            return undefined;
          }));
        first = undefined;
        const told = line ?? failure;
        if (told !== undefined) controller.enqueue(encoder.encode(told));
        if (line !== undefined) return;
        lines.close();
        controller.close();
      },
      cancel: () => lines.close(),
    },
    // Nothing is asked of the member for a reader that has not asked.
    { highWaterMark: 0 },
  );
  if (first === undefined) lines.close();
  return new Response(first === undefined ? "" : body, { headers: { "content-type": JSON_TYPE } });
}
