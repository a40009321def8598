/** A stream of responses that its caller pulls one by one or loops over; leaving the loop closes it. */
import type { Source } from "../../member/api/source.ts";

export function iterableSource(
  next: () => Promise<unknown>,
  close: () => void,
): AsyncIterable<unknown> & Source<unknown> {
  return {
    next,
    close,
    async *[Symbol.asyncIterator]() {
      try {
        for (let part = await next(); part !== undefined; part = await next()) yield part;
      } finally {
        close();
      }
    },
  };
}
