import { expect, test } from "vitest";
import { WritesInFlight } from "../../../src/member/node/writes-in-flight.ts";

test("M9 an input that caused no write is settled at the end of the run", () => {
  const writes = new WritesInFlight();
  const done: string[] = [];
  writes.whenSettled(() => done.push("a"));
  expect(done).toEqual([]);
  writes.settle();
  expect(done).toEqual(["a"]);
});

test("M9 an input is settled once the writes that it may have caused are durable, and no sooner", () => {
  const writes = new WritesInFlight();
  const done: string[] = [];
  writes.issued(1);
  writes.whenSettled(() => done.push("a"));
  writes.issued(2);
  writes.settle();
  writes.durable(1);
  writes.settle();
  expect(done).toEqual([]);
  writes.durable(2);
  writes.settle();
  expect(done).toEqual(["a"]);
  expect(writes.outstanding).toBe(0);
});

test("M9 later writes do not delay earlier inputs", () => {
  const writes = new WritesInFlight();
  const done: string[] = [];
  writes.issued(1);
  writes.whenSettled(() => done.push("a"));
  writes.settle();
  writes.issued(2);
  writes.whenSettled(() => done.push("b"));
  writes.settle();
  writes.durable(1);
  writes.settle();
  expect(done).toEqual(["a"]);
});

test("M9 writes acknowledged out of order are a broken invariant", () => {
  const writes = new WritesInFlight();
  writes.issued(1);
  writes.issued(2);
  writes.durable(2);
  expect(() => writes.durable(1)).toThrow("in order");
  expect(() => writes.issued(2)).toThrow("upwards");
});
