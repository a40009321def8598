/** Cloudflare's list prices, of Workers Paid, before the allowances of an account. */

export const PRICES_OF = "2026-11-28";

/** Dollars per million. */
const ROWS_READ = 0.001;
const ROWS_WRITTEN = 1;
const REQUESTS = 0.15;
const GIGABYTE_SECONDS = 12.5;
/** Billed for an object in memory, whatever it uses. */
const GIGABYTES = 0.128;

/** What was used: rows of all objects, requests to and between objects, and the sum of their times in memory. */
export interface Usage {
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly requests: number;
  readonly seconds: number;
}

export function dollarsOf({ rowsRead, rowsWritten, requests, seconds }: Usage): number {
  const perMillion =
    rowsRead * ROWS_READ + rowsWritten * ROWS_WRITTEN + requests * REQUESTS + seconds * GIGABYTES * GIGABYTE_SECONDS;
  return perMillion / 1_000_000;
}

export function times(usage: Usage, factor: number): Usage {
  return {
    rowsRead: usage.rowsRead * factor,
    rowsWritten: usage.rowsWritten * factor,
    requests: usage.requests * factor,
    seconds: usage.seconds * factor,
  };
}
