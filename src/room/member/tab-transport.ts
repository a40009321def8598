/** What carries the frames of a tab's member. */
import type { Transport } from "../../transport/transport.ts";

/** A transport that can be told that the network, or the page, is back. */
export interface TabTransport extends Transport {
  retryNow(): void;
}
