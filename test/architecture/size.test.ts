/** What a page and an application load: growth is a decision, made here, and not an accident. */
import { beforeAll, describe, expect, test } from "vitest";
import { measureSizes } from "../bench/size.ts";
import type { Sizes } from "../bench/size.ts";

/** Bytes after gzip, as `npm run bench -- size` has them. Whoever needs more says in the commit what for. */
const MEASURED: Sizes = {
  memberAtStart: 122_507,
  peerJs: 11_360,
  memberLater: 80_735,
  pageAtStart: 164_693,
  clientAtStart: 9_999,
  clientWithMapsAndLocks: 25_240,
  clientSocket: 7_674,
  clientLater: 27_900,
  vitePreloading: 1_155,
  hooks: 1_600,
};

const MAY_GROW = 1.05;

describe("what is loaded does not grow by more than a twentieth unnoticed", () => {
  let sizes: Sizes;

  beforeAll(async () => {
    sizes = await measureSizes();
  });

  test.each(Object.keys(MEASURED) as (keyof Sizes)[])("%s", (name) => {
    expect(sizes[name]).toBeLessThanOrEqual(MEASURED[name] * MAY_GROW);
    // A figure far above what is there would let the next growth pass.
    expect(sizes[name]).toBeGreaterThan(MEASURED[name] / MAY_GROW / MAY_GROW);
  });
});
