/** Options and results of a namespace's reads. */
import type { Entry } from "./entry.ts";
import type { InvalidValueError } from "./errors.ts";

/** Options of reads in a namespace. */
export interface ReadOptions {
  /**
   * Reads the state of the member that serves the call, which may be behind. Default false: the newest committed state.
   */
  readonly serializable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of reads that can show queued writes. */
export interface PendingReadOptions extends ReadOptions {
  /** Shows queued writes over what is read; their entries say `isPending`. Default false. */
  readonly pending?: boolean | undefined;
}

/** All entries of a namespace at one revision. */
export interface List<Value> {
  readonly entries: readonly Entry<Value>[];
  /** Keys whose stored value the schema rejects. */
  readonly invalid: ReadonlyMap<string, InvalidValueError>;
  readonly revision: number;
}
