/**
 * What a member saves beside its log before it is evicted from memory. The platform sends nothing out of the object before
 * its writes are durable, so these writes are not awaited.
 */
import type { Resumption, Wakeup } from "../../src/member/options.ts";
import type { ResumePoint } from "../../src/raft/config.ts";

/** Key of the lease deadlines that the member saves in the object. */
const SAVED_LEASES_KEY = "leases";
/** Key of the point at which a leader may go on in its term. */
const RESUME_POINT_KEY = "resume";

export async function wakeupOf(storage: DurableObjectStorage): Promise<Wakeup> {
  return {
    saved: await storage.get<Uint8Array>(SAVED_LEASES_KEY),
    wakeAfter: (delayMs) => void storage.setAlarm(Date.now() + Math.max(delayMs, 0)),
    save: (saved) =>
      void (saved === undefined ? storage.delete(SAVED_LEASES_KEY) : storage.put(SAVED_LEASES_KEY, saved)),
  };
}

export async function resumptionOf(storage: DurableObjectStorage): Promise<Resumption> {
  return {
    saved: await storage.get<ResumePoint>(RESUME_POINT_KEY),
    save: (point) => void storage.put(RESUME_POINT_KEY, point),
  };
}
