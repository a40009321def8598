import { expect, test } from "vitest";
import { checkBrowserSupport } from "../../src/room/common/browser-support.ts";
import { OpenRoomError } from "../../src/room/common/errors.ts";
import { openRoom } from "../../src/room/open-room.ts";
import { roomPlace } from "../../src/room/entrance/room-place.ts";
import { roomPath } from "../../src/transport/room.ts";

const PAGE = "https://app.example";

test("rooms of one name at two signalling servers are two rooms in this browser", () => {
  const own = roomPlace("planning", undefined, PAGE);
  expect(own).toMatchObject({ signalling: PAGE, key: "planning", database: "quorate/room/planning", isLocal: false });
  expect(roomPlace("planning", `${PAGE}/`, PAGE)).toEqual(own);
  const other = roomPlace("planning", "http://localhost:8787", PAGE);
  expect(other).toMatchObject({ signalling: "http://localhost:8787", key: "planning@http://localhost:8787" });
  expect(other.isLocal).toBe(true);
  expect(other.lock).not.toBe(own.lock);
});

test("rooms of one name in two clusters of one server are two rooms, at addresses of their own", () => {
  const servers = [PAGE, `${PAGE}/c/acme`, `${PAGE}/c/acme.x/`];
  const places = servers.map((server) => roomPlace("planning", server, PAGE));
  expect(places.map(({ signalling }) => signalling)).toEqual([PAGE, `${PAGE}/c/acme`, `${PAGE}/c/acme.x`]);
  for (const part of ["key", "database", "lock"] as const) expect(new Set(places.map((one) => one[part])).size).toBe(3);
  expect(places.map(({ signalling, name }) => roomPath(name, signalling))).toEqual([
    "/peerjs/room/planning/",
    "/c/acme/peerjs/room/planning/",
    "/c/acme.x/peerjs/room/planning/",
  ]);
});

test.each(["", "-a", "a b", "a/b", "a@b", "a".repeat(65), "ä"])("%j is no room's name", (name) => {
  expect(() => roomPlace(name, undefined, PAGE)).toThrow(/cannot be a room’s name/);
});

test.each([
  "quorate.example",
  "wss://q.example",
  "https://q.example/path",
  "https://q.example/c/",
  "https://q.example/c/a/b",
  "https://q.example/c/%61",
  "https://q.example/?a",
  "null",
  "",
])("%j is no signalling server's address", (signalling) => {
  expect(() => roomPlace("a", signalling, PAGE)).toThrow(OpenRoomError);
});

test("an error names the browser's powers that are missing in a runtime, and what works without them", () => {
  expect(() => openRoom("a")).toThrow(/a page \(document\), IndexedDB, WebRTC.*connect\(\{ endpoint \}\)/);
  const globals = { isSecureContext: false, indexedDB: {}, RTCPeerConnection: {}, BroadcastChannel: {}, document: {} };
  const insecure = (): void => checkBrowserSupport({ ...globals, navigator: {}, crypto: {} });
  expect(insecure).toThrow(/missing: Web Locks .*, Web Crypto .*https and of localhost alone/);
  checkBrowserSupport({ ...globals, navigator: { locks: {} }, crypto: { subtle: {} } });
});

test("a room at the edge needs no WebRTC, which any other room does, and says so", () => {
  const globals = {
    isSecureContext: true,
    document: {},
    indexedDB: {},
    BroadcastChannel: {},
    navigator: { locks: {} },
    crypto: { subtle: {} },
  };
  checkBrowserSupport(globals, true);
  expect(() => checkBrowserSupport(globals)).toThrow(
    'this is missing: WebRTC (RTCPeerConnection). A room at the edge ({ shape: "edge" }) works without it.',
  );
});
