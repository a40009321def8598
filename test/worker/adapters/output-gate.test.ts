/**
 * What a follower relies on (`isForMessages` of a LogBatch): the platform holds back all that leaves an object until the
 * writes before it are durable, and lets none of it out if a write fails.
 */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { GatedObject } from "./gated-object.ts";

const { GATED } = env as unknown as { readonly GATED: DurableObjectNamespace<GatedObject> };

let objects = 0;

async function errorOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function newObject(): { readonly stub: DurableObjectStub<GatedObject>; readonly name: string } {
  const name = `gated ${objects++}`;
  return { stub: GATED.get(GATED.idFromName(name)), name };
}

test("a response leaves after the write, and not at all if the write fails", async () => {
  const { stub } = newObject();
  expect(await stub.respond(false)).toBe("response");
  expect(await errorOf(() => stub.respond(true))).toMatch(/constraint/);
});

test("a call to another object arrives after the write, and not at all if the write fails", async () => {
  const { stub } = newObject();
  const { stub: other, name } = newObject();
  await stub.callOther(name, false);
  expect(await other.received()).toEqual(["call"]);
  expect(await errorOf(() => stub.callOther(name, true))).toMatch(/constraint/);
  expect(await other.received()).toEqual(["call"]);
});

test("a WebSocket message arrives after the write, and not at all if the write fails", async () => {
  const { stub } = newObject();
  const { webSocket: socket } = await stub.fetch("http://gated/", { headers: { upgrade: "websocket" } });
  if (socket === null) throw new Error("no WebSocket");
  const events: string[] = [];
  let arrived = (): void => {};
  const record = (event: string): void => {
    events.push(event);
    arrived();
  };
  socket.addEventListener("message", ({ data }) => record(String(data)));
  socket.addEventListener("close", () => record("closed"));
  socket.accept();
  for (const text of ["whole", "broken"]) {
    const next = new Promise<void>((resolve) => (arrived = resolve));
    socket.send(text);
    await next;
  }
  expect(events).toEqual(["message", "closed"]);
});
