/** What comes in a response bit by bit, taken apart at its separators. */
export interface TextStream {
  /** Undefined when the response has ended. */
  next(): Promise<string | undefined>;
  cancel(): Promise<void>;
}

export function textStream(response: Response, separator: string): TextStream {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  return {
    async next() {
      while (!text.includes(separator)) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        text += decoder.decode(value, { stream: true });
      }
      const piece = text.slice(0, text.indexOf(separator));
      text = text.slice(piece.length + separator.length);
      return piece;
    },
    cancel: () => reader.cancel(),
  };
}

/** The parsed lines of a stream of JSON, one at a time. */
export function jsonLines<T = unknown>(
  response: Response,
): { next(): Promise<T | undefined>; cancel(): Promise<void> } {
  const lines = textStream(response, "\n");
  return {
    async next() {
      const line = await lines.next();
      return line === undefined ? undefined : (JSON.parse(line) as T);
    },
    cancel: () => lines.cancel(),
  };
}
