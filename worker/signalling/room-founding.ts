/** Responds to those who claim a room, confirm their claim, or give the room up. Access is checked before. */
import type { Env } from "../common/env.ts";
import { claim, confirm, forget } from "./room-claims.ts";
import { edgeClaim, edgeSizeOf, foundAtRegistry, newEdgeKey } from "./room-cluster.ts";
import type { WantedShape } from "./room-cluster.ts";
import type { RoomOwnership } from "./room-ownership.ts";
import type { ClaimIds } from "./room-requests.ts";
import { respond } from "./room-responses.ts";

export interface Caller {
  readonly address: string;
  /** Hash of the key in the request. */
  readonly shown: string | undefined;
  readonly nowMs: number;
}

export interface RoomFoundingHost {
  readonly env: Env;
  /** The name of the room's object. */
  readonly name: string;
  readonly ownership: RoomOwnership;
  /** What the caller may know of the room. */
  readonly describe: (caller: Caller) => object;
  readonly onlineCount: () => number;
}

export class RoomFounding {
  readonly #host: RoomFoundingHost;

  constructor(host: RoomFoundingHost) {
    this.#host = host;
  }

  /** This and the next methods await nothing between reading and writing: each is atomic. */
  found({ cluster, member }: ClaimIds, open: boolean, caller: Caller): Response {
    const { ownership, describe } = this.#host;
    if (ownership.access(caller.nowMs).type === "free") {
      if (open === (caller.shown !== undefined)) {
        return respond(400, { error: 'a new room is claimed either with a key or with "open":true' });
      }
      ownership.choose({ keyHash: caller.shown, fixed: ownership.storedAccess?.fixed === true });
    }
    const founding = claim(ownership.slot, cluster, member, caller.nowMs);
    const founded = founding.cluster === cluster && founding.member === member;
    return respond(200, { founded, ...describe(caller) });
  }

  /** The cluster is created while the claim holds, and the claim is confirmed when it is. */
  async foundEdge(wanted: WantedShape, ids: ClaimIds, sizeGiven: unknown, caller: Caller): Promise<Response> {
    const { env, name, ownership, describe } = this.#host;
    const refused = (status: number, error: string): Response =>
      wanted.orTabs ? this.found(ids, false, caller) : respond(status, { error });
    const size = edgeSizeOf(sizeGiven);
    if (size === undefined) return respond(400, { error: "the size of a room's edge is 1, 3 or 5" });
    const room = caller.shown;
    if (room === undefined) return refused(400, "a room with an edge has a secret, and is claimed with its key");
    // Whoever founded the room has chosen its shape.
    if (ownership.isTaken(caller.nowMs)) return respond(200, { founded: false, ...describe(caller) });
    const key = newEdgeKey(name, size, room);
    if (key === undefined) return refused(400, "a room of this name or place can have no edge");
    ownership.choose({ keyHash: room, fixed: ownership.storedAccess?.fixed === true });
    ownership.slot.put(edgeClaim(key, caller.nowMs, false));
    const founded = await foundAtRegistry(env, key, wanted.shape);
    const { edgeKey } = ownership.slot.get() ?? {};
    if (edgeKey !== key) return respond(200, { founded: false, ...describe(caller) });
    if (founded.type === "refused") {
      ownership.slot.delete();
      return refused(founded.status, founded.message);
    }
    ownership.choose({ keyHash: room, fixed: true });
    ownership.slot.put(edgeClaim(founded.key, caller.nowMs, true));
    return respond(200, { founded: false, ...describe(caller) });
  }

  founded({ cluster, member }: ClaimIds, caller: Caller): Response {
    const { ownership, describe } = this.#host;
    // An expired claim can be confirmed only by the caller that made it.
    const isOwn = ownership.storedAccess?.keyHash === caller.shown;
    const confirmed = isOwn && confirm(ownership.slot, cluster, member);
    if (confirmed) ownership.fix();
    return respond(confirmed ? 200 : 409, { ...describe(caller), confirmed });
  }

  forget(cluster: string, caller: Caller): Response {
    const { ownership, describe, onlineCount } = this.#host;
    // Its data is at the edge, and whoever owns the deployment may delete it.
    if (ownership.slot.get()?.edgeKey !== undefined) return respond(409, { forgotten: false, ...describe(caller) });
    // In an open room callers cannot be told apart. There, forgetting requires that no peer is online.
    if (ownership.access(caller.nowMs).type !== "closed" && onlineCount() > 1) {
      return respond(409, { forgotten: false, ...describe(caller) });
    }
    return respond(200, { forgotten: forget(ownership.slot, cluster), ...describe(caller) });
  }
}
