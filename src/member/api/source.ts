/** The two forms in which services give streams of answers, as one: pulled one at a time, and closed by the reader. */

export interface Source<Response> {
  /** The next answer; undefined at the end. One caller at a time. */
  next(): Promise<Response | undefined>;
  close(): void;
}

export function toSource<Response>(answers: AsyncIterable<Response> | Source<Response>): Source<Response> {
  if ("close" in answers) return answers;
  const iterator = answers[Symbol.asyncIterator]();
  return {
    async next() {
      const result = await iterator.next();
      return result.done === true ? undefined : result.value;
    },
    close() {
      // What the end itself has to complain about interests nobody any more.
      iterator.return?.().catch(() => undefined);
    },
  };
}
