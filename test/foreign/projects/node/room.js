// A server renders pages that open rooms: it may import the entry, and is told why it cannot open one itself.
import assert from "node:assert/strict";
import { openRoom, OpenRoomError } from "quorate/room";

assert.throws(
  () => openRoom("planning"),
  (error) => error instanceof OpenRoomError && error.reason === "unsupported" && /IndexedDB/.test(error.message),
);
