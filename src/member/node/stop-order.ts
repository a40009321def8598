/** The order in which the parts of a member stop. */
import type { EtcdError } from "../../protocol/errors.ts";
import { type Lifecycle, stoppedError, WAS_REMOVED } from "./lifecycle.ts";

interface Stops {
  stop(): void;
}

interface Fails {
  failAll(error: EtcdError): void;
}

export interface StoppableParts {
  readonly lifecycle: Lifecycle;
  readonly storageFailure: Stops;
  readonly ticker: Stops;
  readonly sendDelays: Stops;
  readonly lessor: { demote(): void };
  readonly changes: { stop(wasRemoved: boolean): void };
  readonly rpc: Fails;
  readonly maintenance: Stops;
  readonly hashQueue: Stops;
  readonly snapshots: Stops;
  readonly proposals: { failAll(error: EtcdError, errorIfUnknown: EtcdError): void };
  readonly reads: Fails;
  readonly transport: { close(): void };
}

/**
 * Registers the steps of stopping. The parts that act by themselves stop first. Then pending calls fail. The transport
 * closes last.
 */
export function stopInOrder(parts: StoppableParts): void {
  const { lifecycle, ticker, sendDelays, lessor, changes, rpc, maintenance, hashQueue, snapshots, proposals, reads } =
    parts;
  lifecycle.onStop((problem) => {
    const error = stoppedError(problem);
    parts.storageFailure.stop();
    ticker.stop();
    sendDelays.stop();
    lessor.demote();
    changes.stop(problem === WAS_REMOVED);
    rpc.failAll(error);
    maintenance.stop();
    hashQueue.stop();
    snapshots.stop();
    proposals.failAll(error, stoppedError(problem, true));
    reads.failAll(error);
    parts.transport.close();
  });
}
