/** A room as the page shows it. */
import type { Room, RoomClient, RoomShape } from "../../src/entry/room.ts";
import { roomProblem } from "../../src/room/room-connection.ts";
import type { Inviting } from "../model/inviting.ts";
import type { PageSource } from "../model/page-source.ts";
import { roomSituation } from "./room-situation.ts";
import type { RoomActions } from "./room-situation.ts";

/** While the page tells since when something is wrong. */
const SECOND_MS = 1_000;

const CLOSED_TEXT =
  "Whoever opens this link in another browser or profile becomes a member of this room and can change everything in " +
  "it. Nobody comes in without it: its end is the room’s secret.";
const OPEN_TEXT =
  "This room is open: anybody who knows its name can join it and change everything in it. Whoever opens this link in " +
  "another browser or profile becomes a member.";

export class RoomSource implements PageSource {
  readonly title: string;
  readonly share: PageSource["share"];
  readonly client: RoomClient;
  readonly restore: PageSource["restore"];
  /** Why this tab's data did not become a new room, as of the last attempt. */
  #recoveryTrouble: string | undefined;
  #reshapeTrouble: string | undefined;
  readonly inviting: PageSource["inviting"];
  readonly opened: Promise<void>;
  readonly serializable: boolean = true;
  readonly refreshMs: number = 400;
  readonly #actions: RoomActions;
  readonly #listeners: Set<() => void> = new Set();
  #problemSinceMs: number = performance.now();
  #hadProblem = true;
  #clock: ReturnType<typeof setTimeout> | undefined;

  constructor(client: RoomClient, link: string) {
    const { room } = client;
    const isInvited = room.secret === undefined && !room.isOpen;
    this.client = client;
    this.title = room.name;
    this.opened = room.opened;
    this.share = isInvited ? undefined : { link, text: room.isOpen ? OPEN_TEXT : CLOSED_TEXT };
    this.inviting = room.secret === undefined ? undefined : invitingTo(room);
    this.restore = isInvited ? undefined : (snapshot) => room.recover(snapshot);
    const leave = (): void => void room.leave().finally(() => location.reload());
    this.#actions = {
      joinOther: leave,
      foundAnew: () => void room.foundAnew(),
      recover: () => void this.#recover(),
      mix: () => void this.#reshape("mixed"),
      unmix: () => void this.#reshape("edge"),
      toTabs: () => void this.#reshape("tabs"),
      deleteStore: leave,
      reload: () => location.reload(),
    };
    this.#follow(room);
  }

  situation(): ReturnType<PageSource["situation"]> {
    const { isOpen, shapeAsked, state, view } = this.client.room;
    const [problemSinceMs, recoveryTrouble] = [this.#problemSinceMs, this.#recoveryTrouble];
    const now = { nowMs: performance.now(), nowWallMs: Date.now() };
    const troubles = { recoveryTrouble, reshapeTrouble: this.#reshapeTrouble };
    return roomSituation({ isOpen, shapeAsked, state, view, ...now, problemSinceMs, ...troubles }, this.#actions);
  }

  async #recover(): Promise<void> {
    this.#recoveryTrouble = undefined;
    try {
      await this.client.room.recover();
    } catch (error) {
      this.#recoveryTrouble = error instanceof Error ? error.message : String(error);
    }
    this.#look();
  }

  async #reshape(shape: RoomShape): Promise<void> {
    this.#reshapeTrouble = undefined;
    try {
      await this.client.room.reshape(shape);
    } catch (error) {
      this.#reshapeTrouble = error instanceof Error ? error.message : String(error);
    }
    this.#look();
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** A hidden page asks and shows nothing. */
  #follow(room: Room): void {
    let unfollow: (() => void) | undefined;
    const seen = (): void => {
      unfollow?.();
      unfollow = document.hidden ? undefined : room.subscribe(() => this.#look());
      this.#look();
    };
    document.addEventListener("visibilitychange", seen);
    seen();
  }

  #look(): void {
    clearTimeout(this.#clock);
    if (document.hidden) return;
    const { state, view } = this.client.room;
    const hasProblem = view === undefined || roomProblem(state, view, Date.now()) !== undefined;
    if (hasProblem && !this.#hadProblem) this.#problemSinceMs = performance.now();
    this.#hadProblem = hasProblem;
    for (const listener of this.#listeners) listener();
    // Only time changes how long it has lasted.
    if (hasProblem) this.#clock = setTimeout(() => this.#look(), SECOND_MS);
  }
}

function invitingTo(room: Room): Inviting {
  return {
    // Whoever is no member yet has nothing to invite to.
    mayInvite: () => room.shape !== undefined,
    invite: async (wanted) => (await room.invite(wanted)).link,
    list: () => room.invitations(),
    revoke: (id) => room.revoke(id),
  };
}
