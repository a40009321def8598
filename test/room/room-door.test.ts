import { expect, test } from "vitest";
import { isRoomSecret, newRoomSecret } from "../../src/transport/room-secret.ts";
import { RoomError, RoomRefusal } from "../../src/transport/room.ts";
import type { RoomInfo, RoomRefusalCode } from "../../src/transport/room.ts";
import { OpenRoomError } from "../../src/room/common/errors.ts";
import { refusalText, secretAtDoor, secretIn } from "../../src/room/entrance/room-door.ts";

const [SECRET, OTHER] = [newRoomSecret(), newRoomSecret()];

/** A browser profile before a room. */
class Visit {
  known: string | undefined;
  hasStore = false;
  answer: RoomInfo["access"] | RoomRefusalCode | "no answer" = "free";
  readonly asked: (string | undefined)[] = [];
  reason: OpenRoomError["reason"] | undefined;

  constructor(given: Partial<Pick<Visit, "known" | "hasStore" | "answer">> = {}) {
    Object.assign(this, given);
  }

  /** The secret, or the error in words. */
  async come(search: string, hash: string): Promise<string | undefined> {
    try {
      return await secretAtDoor({
        open: new URLSearchParams(search).has("open"),
        given: secretIn(hash),
        secrets: {
          get: () => this.known,
          set: (secret) => (this.known ??= secret),
          forget: () => {
            this.known = undefined;
          },
        },
        ask: async (secret) => {
          this.asked.push(secret);
          return this.#info();
        },
        hasStore: async () => this.hasStore,
      });
    } catch (error) {
      if (!(error instanceof OpenRoomError)) throw error;
      this.reason = error.reason;
      return error.message;
    }
  }

  #info(): RoomInfo {
    const { answer } = this;
    if (answer === "no answer") throw new RoomError("the room could not be asked: no network");
    if (answer !== "free" && answer !== "open" && answer !== "closed") throw new RoomRefusal(answer);
    return { access: answer, cluster: undefined, founder: undefined, confirmed: false, sinceMs: 0, members: [] };
  }
}

const NAME = "?room=planning";

test("a room that is free gets a new secret, which this browser remembers", async () => {
  const visit = new Visit();
  const secret = (await visit.come(NAME, "")) ?? "";
  expect(isRoomSecret(secret)).toBe(true);
  expect(visit.asked).toEqual([undefined]);
  expect(await visit.come(NAME, "")).toBe(secret);
  expect(await visit.come(NAME, `#k=${secret}`)).toBe(secret);
  // Nobody is asked about what is known.
  expect(visit.asked).toHaveLength(1);
});

test("a link's secret is tried at the registry before anything of the room is opened, and remembered if it fits", async () => {
  for (const answer of ["free", "closed"] as const) {
    const visit = new Visit({ answer });
    expect(await visit.come(NAME, `#k=${SECRET}`)).toBe(SECRET);
    expect([visit.asked, visit.known]).toEqual([[SECRET], SECRET]);
  }
  const wrong = new Visit({ answer: "key-wrong", known: OTHER });
  expect(await wrong.come(NAME, `#k=${SECRET}`)).toBe(refusalText("key-wrong"));
  expect(wrong.known).toBe(OTHER);
  const moved = new Visit({ answer: "closed", known: OTHER });
  expect(await moved.come(NAME, `#k=${SECRET}`)).toBe(SECRET);
  expect(moved.known).toBe(SECRET);
});

test("a closed room is closed to somebody who only knows its name", async () => {
  const visit = new Visit({ answer: "key-needed" });
  expect(await visit.come(NAME, "")).toMatch(/^This room is closed: only who has its whole link/);
  expect(visit.reason).toBe("key-needed");
  expect(visit.known).toBeUndefined();
});

test("a secret that is cut is named as such, without a request", async () => {
  const visit = new Visit({ known: OTHER });
  for (const cut of [SECRET.slice(0, -1), "", `${SECRET}x`, "+".repeat(43)]) {
    expect(await visit.come(NAME, `#k=${cut}`)).toMatch(/^This link is not whole/);
  }
  expect([visit.asked, visit.known]).toEqual([[], OTHER]);
  // A fragment of another kind is none of ours.
  expect(await visit.come(NAME, "#top")).toBe(OTHER);
});

test("an open room is entered only by asking for it; by its name alone the page says what it is, and where it is", async () => {
  expect(await new Visit({ answer: "open" }).come(`${NAME}&open`, "")).toBeUndefined();
  const named = await new Visit({ answer: "open" }).come(NAME, "");
  expect(named).toMatch(/anybody who knows its name can join it and change everything/);
  expect(named).toMatch(/older versions/);
  expect(await new Visit({ answer: "room-open" }).come(NAME, `#k=${SECRET}`)).toBe(named);
  expect(await new Visit().come(`${NAME}&open`, `#k=${SECRET}`)).toMatch(/the one or the other/);
});

test("a store of an older version, of which the server knows nothing, gets no new secret put on it", async () => {
  const visit = new Visit({ hasStore: true });
  expect(await visit.come(NAME, "")).toMatch(/no secret of it/);
  expect(visit.reason).toBe("secret-unknown");
  expect(visit.known).toBeUndefined();
});

test("without an answer nobody comes in by a secret that was never tried, nor gets a new one", async () => {
  for (const hash of ["", `#k=${SECRET}`]) {
    const visit = new Visit({ answer: "no answer" });
    expect(await visit.come(NAME, hash)).toMatch(/the server does not answer: .*no network/);
    expect(visit.known).toBeUndefined();
  }
});

test("a secret is given by itself, as a link, or as a fragment, which may have none", () => {
  for (const text of [SECRET, `https://q.example/?room=a#k=${SECRET}`, `#k=${SECRET}`, `#view=2&k=${SECRET}`]) {
    expect(secretIn(text)).toBe(SECRET);
  }
  for (const text of ["", "#", "#top", "https://q.example/?room=a#top"]) expect(secretIn(text)).toBeUndefined();
  expect(() => secretIn("hunter2")).toThrow(OpenRoomError);
});
