/**
 * Tells a room's registry whom it lets ask without the room's key, whenever the log says something new: who came in by the
 * last use comes back by it, and who was removed does not, also while nobody is here who knows the secret. Tabs tell it, too.
 */
import type { Member } from "../../src/member/node/member.ts";
import { guestListOf } from "../../src/room/entrance/guest-list.ts";
import type { Env } from "../common/env.ts";

/** Key of the version of the list that the registry has. */
const TOLD_KEY = "guests-told";

export class GuestTeller {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  #told: string | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx;
    this.#env = env;
    this.#told = ctx.storage.kv.get<string>(TOLD_KEY);
  }

  /** Called after each change of the members. Another object, or a tab, may be behind. */
  look({ id, leader, machine }: Member): void {
    const { ROOMS, ROOM_OBJECT, CLUSTER_NAME } = this.#env;
    const { invitations } = machine.membership;
    const isNobody = invitations.made.length === 0 && this.#told === undefined;
    if (ROOMS === undefined || ROOM_OBJECT === undefined || leader !== id || isNobody) return;
    const list = guestListOf(invitations);
    const { version } = list;
    if (version === this.#told) return;
    this.#told = version;
    const told = ROOMS.get(ROOMS.idFromName(ROOM_OBJECT)).keepGuests(CLUSTER_NAME, list);
    this.#ctx.waitUntil(
      told.then(
        () => this.#ctx.storage.kv.put(TOLD_KEY, version),
        () => {
          // The next change tells it.
          if (this.#told === version) this.#told = "";
        },
      ),
    );
  }
}
