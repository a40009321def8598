/**
 * Time limits within which the gateway notices that a caller is gone.
 *
 * A platform reports a connection that was reset, and a request whose body broke off. It does not report a connection
 * that was closed in order after the request, until something is written to it: the first write triggers a reset, which
 * the next write meets at the latest. So every silent response writes something from time to time that its reader
 * skips: white space, a progress response, an empty comment.
 */
import { assert } from "../../base/assert.ts";
import { CARRIER_PING_EVERY_MS, CARRIER_SILENT_MAX_MS } from "../../protocol/mux-frame.ts";

/** The guarantee, for every waiting call and every stream. */
export const GONE_WITHIN_MS = 10_000;
/** Silence after which something is written. */
export const PROBE_AFTER_MS = 4_000;
const WRITES_UNTIL_NOTICED = 2;

/** A waiting call that completes within this time gets a plain response with its own status. */
export const PLAIN_RESPONSE_WITHIN_MS = 1_000;
/**
 * Time in which most hosts send a reset back. A call that waited longer than the time above responds later by this
 * time.
 */
export const CONFIRM_MS = 100;

assert(WRITES_UNTIL_NOTICED * PROBE_AFTER_MS < GONE_WITHIN_MS, "two probes fit into the promise");
assert(
  PLAIN_RESPONSE_WITHIN_MS + WRITES_UNTIL_NOTICED * PROBE_AFTER_MS < GONE_WITHIN_MS,
  "a delayed response keeps it, too",
);
assert(CARRIER_SILENT_MAX_MS < GONE_WITHIN_MS, "callers of a proxy that is gone leave in time");
assert(3 * CARRIER_PING_EVERY_MS < CARRIER_SILENT_MAX_MS, "a proxy that lags a little is not disconnected");
