/** Exit codes, on which scripts rely. The meaning of a number never changes. */

export const ExitCode = {
  ok: 0,
  /** The key does not exist, nothing was deleted, a condition did not hold, no leader, not healthy, members differ. */
  negative: 1,
  usage: 2,
  /** The server responded with an error. */
  refused: 3,
  /** No connection, or no response in time. */
  unreachable: 4,
  /** An incomplete import or export. */
  partial: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODES_HELP: string = `Exit codes:
  0  done
  1  no: key not found, nothing deleted, condition false, no leader, not healthy, members differ
  2  wrong usage
  3  the server refused (its error is on stderr)
  4  no connection, or no response in time
  5  import or export not complete`;
