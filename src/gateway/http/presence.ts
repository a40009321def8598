/**
 * How long it takes until the gateway knows that a caller is gone.
 *
 * A platform tells of a connection that was reset, and of a request whose body breaks off. Of a connection that was
 * closed in order after the request it tells nothing until something is written to it: the first write is answered by a
 * reset, which the next one meets at the latest. So whatever is silent for a while writes something that its reader
 * skips: white space, a progress response, an empty comment.
 */
import { assert } from "../../base/assert.ts";
import { CARRIER_PING_EVERY_MS, CARRIER_SILENT_MAX_MS } from "../../protocol/mux-frame.ts";

/** The promise, for every call that waits and every stream. */
export const GONE_WITHIN_MS = 10_000;
/** Silence after which something is written. */
export const PROBE_AFTER_MS = 4_000;
const WRITES_UNTIL_TOLD = 2;

/** A call that waits for others gets a plain answer with a status of its own within this time. */
export const PLAIN_ANSWER_WITHIN_MS = 1_000;
/** How long a reset takes to come back, at most hosts. Who has waited longer than the time above gets its answer later by it. */
export const CONFIRM_MS = 100;

assert(WRITES_UNTIL_TOLD * PROBE_AFTER_MS < GONE_WITHIN_MS, "two probes fit into the promise");
assert(PLAIN_ANSWER_WITHIN_MS + WRITES_UNTIL_TOLD * PROBE_AFTER_MS < GONE_WITHIN_MS, "a late answer keeps it, too");
assert(CARRIER_SILENT_MAX_MS < GONE_WITHIN_MS, "the callers of a front that is gone leave in time");
assert(3 * CARRIER_PING_EVERY_MS < CARRIER_SILENT_MAX_MS, "a front that lags a little is not given up");
