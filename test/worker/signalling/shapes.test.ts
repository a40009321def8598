/** Which shape a room gets that is founded: the one that was asked for, or the server's choice. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { newRoomSecret, roomKeys } from "../../../src/transport/room-secret.ts";
import { type RoomRegistry, roomRegistry } from "../../../src/transport/room.ts";
import type { Env } from "../../../worker/common/env.ts";
import { create, manage } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";

const ORIGIN = "http://edge";
type Shape = Parameters<typeof roomRegistry>[4];

/** The registry of a room, as a browser that knows its secret asks it. */
function room(name: string, base = ""): (shape: Shape) => RoomRegistry {
  const { registry: key = "" } = roomKeys(name, newRoomSecret());
  return (shape) =>
    roomRegistry(
      `${ORIGIN}${base}`,
      name,
      { type: "key", key },
      (url, init) => edge(url.slice(ORIGIN.length), init),
      shape,
    );
}

test("a room for which no shape is asked is kept in one object; whoever founds it joins", async () => {
  const asked = room("any-1");
  const claim = await asked("any").claim(7n, 70n);
  expect(claim).toMatchObject({ founded: false, confirmed: true, edge: { path: "/c/any-1/" } });
  expect(claim.edge?.objects).toHaveLength(1);
  expect(claim.cluster).not.toBe(70n);
  // Also of whoever comes later, and of earlier versions, which name no shape.
  for (const shape of ["any", "tabs", "mixed", undefined] as const) {
    expect(await asked(shape).claim(8n, 80n)).toMatchObject({
      founded: false,
      cluster: claim.cluster,
      edge: claim.edge,
    });
  }
});

test("a room that was founded by tabs stays theirs, whatever is asked for later", async () => {
  for (const [at, shape] of (["tabs", undefined] as const).entries()) {
    const asked = room(`tabs-${at}`);
    expect(await asked(shape).claim(7n, 70n)).toMatchObject({ founded: true, cluster: 70n });
    expect(await asked(shape).confirm(7n, 70n)).toBe(true);
    for (const later of ["any", "edge"] as const) {
      const claim = await asked(later).claim(8n, 80n);
      expect(claim).toMatchObject({ founded: false, cluster: 70n });
      expect(claim.edge).toBeUndefined();
    }
  }
});

test("where there can be no object, a room is one of tabs, unless an object is asked for", async () => {
  await create("taken");
  const names: readonly (readonly [string, string])[] = [
    // A cluster's name has no "~", a cluster has one member of each kind, and rooms of clusters have no objects.
    ["no~cluster", ""],
    ["taken", ""],
    ["inner", "/c/taken"],
    [(env as unknown as Env).CLUSTER_NAME, ""],
  ];
  for (const [name, base] of names) {
    const asked = room(name, base);
    await expect(asked("edge").claim(7n, 70n)).rejects.toThrow(/the room answered 4/);
    const claim = await asked("any").claim(7n, 70n);
    expect([name, claim.founded, claim.cluster, claim.edge]).toEqual([name, true, 70n, undefined]);
    expect(await asked("any").confirm(7n, 70n)).toBe(true);
  }
});

test("many who open a new room at once, and ask for no shape, end in one cluster", async () => {
  const asked = room("at-once");
  const claims = await Promise.all(
    Array.from({ length: 8 }, (_, at) => asked("any").claim(BigInt(at + 1), BigInt(at + 100))),
  );
  expect(new Set(claims.map(({ cluster }) => cluster)).size).toBe(1);
  expect(claims.every(({ founded }) => !founded)).toBe(true);
  expect((await manage("list", {})).body["clusters"]).toContainEqual(
    expect.objectContaining({ name: "at-once", size: 1 }),
  );
});
