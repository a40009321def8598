import { describe, expect, test } from "vitest";
import { isRoomSecret, newRoomSecret } from "../../src/transport/room-secret.ts";
import { RoomError, RoomRefusal } from "../../src/transport/room.ts";
import type { RoomInfo, RoomRefusalCode } from "../../src/transport/room.ts";
import { OpenRoomError } from "../../src/room/common/errors.ts";
import { keyAtDoor, keyIn, refusalText } from "../../src/room/entrance/room-door.ts";

const [SECRET, OTHER] = [newRoomSecret(), newRoomSecret()];

/** A browser profile before a room. */
class Visit {
  known: string | undefined;
  invitation: string | undefined;
  hasStore = false;
  answer: RoomInfo["access"] | RoomRefusalCode | "no answer" = "free";
  readonly asked: (string | undefined)[] = [];
  reason: OpenRoomError["reason"] | undefined;

  constructor(given: Partial<Pick<Visit, "known" | "invitation" | "hasStore" | "answer">> = {}) {
    Object.assign(this, given);
  }

  /** The secret, or the error in words. */
  async come(search: string, hash: string): Promise<string | undefined> {
    try {
      const key = await keyAtDoor({
        open: new URLSearchParams(search).has("open"),
        given: keyIn(hash),
        secrets: {
          get: () => this.known,
          set: (secret) => (this.known ??= secret),
          forget: () => {
            this.known = undefined;
          },
        },
        invitations: {
          get: () => this.invitation,
          set: (code) => (this.invitation ??= code),
          forget: () => {
            this.invitation = undefined;
          },
        },
        ask: async (tried) => {
          this.asked.push(tried && ("secret" in tried ? tried.secret : tried.invitation));
          return this.#info();
        },
        hasStore: async () => this.hasStore,
      });
      return key && ("secret" in key ? key.secret : key.invitation);
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
    expect(keyIn(text)).toEqual({ secret: SECRET });
  }
  for (const text of ["", "#", "#top", "https://q.example/?room=a#top"]) expect(keyIn(text)).toBeUndefined();
  expect(() => keyIn("hunter2")).toThrow(OpenRoomError);
});

describe("an invitation", () => {
  const CODE = "i".repeat(128);
  const OTHER_CODE = "j".repeat(128);

  test("is tried at the registry before anything of the room is opened, and remembered", async () => {
    const visit = new Visit({ answer: "closed" });
    expect(await visit.come(NAME, `#i=${CODE}`)).toBe(CODE);
    expect([visit.asked, visit.invitation, visit.known]).toEqual([[CODE], CODE, undefined]);
    // Nobody is asked about what is known, and the link is needed no more.
    expect(await visit.come(NAME, `#i=${CODE}`)).toBe(CODE);
    expect(await visit.come(NAME, "")).toBe(CODE);
    expect(visit.asked).toHaveLength(1);
    expect(await visit.come(NAME, `#i=${OTHER_CODE}`)).toBe(OTHER_CODE);
    expect(visit.invitation).toBe(OTHER_CODE);
  });

  test.each(["invitation-expired", "invitation-used", "invitation-revoked", "invitation-unknown"] as const)(
    "that the registry refuses is not remembered: %s",
    async (answer) => {
      const visit = new Visit({ answer });
      expect(await visit.come(NAME, `#i=${CODE}`)).toBe(refusalText(answer));
      expect([visit.reason, visit.invitation]).toEqual([answer, undefined]);
    },
  );

  test("is not needed by whoever knows the secret, and forgotten when a secret comes", async () => {
    const member = new Visit({ known: SECRET, answer: "closed" });
    expect(await member.come(NAME, `#i=${CODE}`)).toBe(SECRET);
    expect([member.asked, member.invitation]).toEqual([[], undefined]);
    const guest = new Visit({ invitation: CODE, answer: "closed" });
    expect(await guest.come(NAME, `#k=${SECRET}`)).toBe(SECRET);
    expect([guest.known, guest.invitation]).toEqual([SECRET, undefined]);
  });

  test("that is cut is named as such, and one to an open room is none", async () => {
    const visit = new Visit({ answer: "closed" });
    expect(await visit.come(NAME, `#i=${CODE.slice(1)}`)).toMatch(/^This link is not whole: the invitation/);
    expect(await visit.come(`${NAME}&open`, `#i=${CODE}`)).toMatch(/asks for an open room/);
    expect([visit.reason, visit.asked]).toEqual(["invalid", []]);
  });
});
