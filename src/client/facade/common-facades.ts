/** What watches, leases, locks and elections need. It is loaded together, with the first of them. */
export { leaseCalls, renewUntilStopped } from "./lease.ts";
export { electionClient, lockClient } from "./lock.ts";
export { resumingWatcher } from "./watcher.ts";
