/** The position of a JSON value in its text. */

/** The whole value of which a part is scanned. */
export interface JsonWhole {
  readonly start: number;
  readonly end: number;
}
