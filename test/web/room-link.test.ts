import { expect, test } from "vitest";
import { OpenRoomError } from "../../src/room/common/errors.ts";
import { newRoomSecret } from "../../src/transport/room-secret.ts";
import { refusalOf, roomLink } from "../../web/room/room-link.ts";
import { roomSettings } from "../../web/room/room-settings.ts";

const SECRET = newRoomSecret();

test("a room's link carries its settings, and its secret where no server sees it", () => {
  const given = { "max-txn-ops": "256" };
  const closed = roomLink("https://q.example", "planning", given, { isOpen: false, secret: SECRET });
  expect(closed).toBe(`https://q.example/?room=planning&max-txn-ops=256#k=${SECRET}`);
  const open = new URL(roomLink("https://q.example", "planning", given, { isOpen: true, secret: undefined }));
  expect([open.searchParams.has("open"), open.hash]).toEqual([true, ""]);
  // Of somebody who was invited: neither a secret nor the invitation.
  const guest = roomLink("https://q.example", "planning", given, { isOpen: false, secret: undefined });
  expect(guest).toBe("https://q.example/?room=planning&max-txn-ops=256");
});

test("whoever asked for an open room without saying so is shown the way in, and nobody else", () => {
  for (const reason of ["room-open", "secret-unknown"] as const) {
    const open = { link: { href: "?room=a~b&open" } };
    expect(refusalOf(new OpenRoomError(reason, "why"), "a~b")).toMatchObject({ ...open, message: "why" });
  }
  expect(refusalOf(new OpenRoomError("key-wrong", "why"), "a")).toMatchObject({ message: "why", link: undefined });
  const other = new Error("other");
  expect(refusalOf(other, "a")).toBe(other);
});

test("a room's settings stand in its address under the names of etcd's flags", () => {
  const search = "?room=planning&max-txn-ops=1&auto-compaction-mode=revision&other=2";
  expect(roomSettings(search)).toEqual({ "max-txn-ops": "1", "auto-compaction-mode": "revision" });
});
