/**
 * Changes who votes in a room, for whoever has its link. Where the room has an object, that takes the change into the log.
 * Where its members are tabs only, the registry asks the tabs, and it is done when one of them is open.
 */
import { SYSTEM_BACKOFF } from "../../client/common/backoff.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { RoomError, RoomRefusal, roomRegistry } from "../../transport/room.ts";
import type { RoomInfo } from "../../transport/room.ts";
import { postTo } from "./deployment.ts";
import type { RoomTarget } from "./room-link.ts";

export type Shape = "edge" | "mixed" | "tabs";

const LOOK_EVERY_MS = 500;
const NEVER: AbortSignal = new AbortController().signal;

/** Resolves when the log of the room's cluster has the change, and the objects are there or gone. Rejects with EtcdError. */
export async function changeShape(timeoutMs: number, room: RoomTarget, shape: Shape): Promise<void> {
  try {
    await changed(timeoutMs, room, shape);
  } catch (error) {
    if (!(error instanceof RoomError)) throw error;
    const code = error instanceof RoomRefusal ? GrpcCode.PermissionDenied : GrpcCode.Unavailable;
    throw new EtcdError(code, error.message);
  }
}

async function changed(timeoutMs: number, { endpoint, name, key }: RoomTarget, shape: Shape): Promise<void> {
  const registry = roomRegistry(endpoint, name, { type: "key", key }, (url, init) => fetch(url, init));
  const { cluster, edge } = await registry.info();
  if (cluster === undefined) throw new EtcdError(GrpcCode.NotFound, `nobody has founded the room "${name}"`);
  if (edge === undefined && shape === "tabs") return;
  if (edge === undefined && shape !== "tabs") await registry.prepareObjects(cluster, shape);
  else {
    const place = { endpoint: `${endpoint}/c/${name}`, timeoutMs, token: key };
    await postTo(place, "/quorate/shape", "change who votes in a room", JSON.stringify({ shape }));
  }
  const isDone = (info: RoomInfo): boolean => (info.edge === undefined) === (shape === "tabs");
  const untilMs = Date.now() + timeoutMs;
  while (!isDone(await registry.look())) {
    if (Date.now() > untilMs) throw new EtcdError(GrpcCode.DeadlineExceeded, unfinished(shape));
    await SYSTEM_BACKOFF.sleep(LOOK_EVERY_MS, NEVER);
  }
}

function unfinished(shape: Shape): string {
  return shape === "tabs"
    ? "it is in the room's log, and its objects give up their votes when enough tabs are open"
    : "the room's members are tabs, and none of them has done it yet: it is done when they are open and can reach the server";
}
