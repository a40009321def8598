/** Where the rates and the election are, and what a rate is. */

export interface Rate {
  readonly rate: number;
  /** The tab that polled it. */
  readonly by: string;
}

export const RATES = "rates/";

/** No prefix of RATES, nor the other way round: an election's keys are its own. */
export const ELECTION = "rates-poller";

/** Reads an API's answer. Throws if it is none. */
export function ratesOf(answer: unknown): ReadonlyMap<string, number> {
  if (typeof answer !== "object" || answer === null) throw new Error("the API did not answer with rates");
  return new Map(Object.entries(answer).filter((pair): pair is [string, number] => typeof pair[1] === "number"));
}
