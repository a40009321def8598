/**
 * One form for both kinds of response streams of the services: pulled one response at a time, and closed by the reader.
 */

export interface Source<Response> {
  /** Returns the next response; undefined at the end. One caller at a time. */
  next(): Promise<Response | undefined>;
  close(): void;
}

export function toSource<Response>(responses: AsyncIterable<Response> | Source<Response>): Source<Response> {
  if ("close" in responses) return responses;
  const iterator = responses[Symbol.asyncIterator]();
  return {
    async next() {
      const result = await iterator.next();
      return result.done === true ? undefined : result.value;
    },
    close() {
      // The reader has left; an error of closing concerns no caller.
      iterator.return?.().catch(() => undefined);
    },
  };
}
