/** An application's client of a real member over HTTP, and small helpers of its tests. */
import { vi } from "vitest";
import { connect } from "../../../src/client/app/connect.ts";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import type { ServedMember } from "../support/served-member.ts";

export function clientOf(served: ServedMember, overWebSocket = false): ApplicationClient {
  return connect({ endpoint: served.endpoint, WebSocket: overWebSocket && WebSocket });
}

/** Waits until it holds; only what hangs ends here. */
export async function eventually(holds: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(holds, { timeout: 60_000, interval: 10 });
}

export function keysOf(map: ReadonlyMap<string, unknown>): readonly string[] {
  return [...map.keys()].toSorted();
}
