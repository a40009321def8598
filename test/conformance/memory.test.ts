/** What a real etcd v3.7.1 answered, played to members in this process. Recorded by `npm run conformance -- --record`. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openMemoryTarget } from "./memory-target.ts";
import { play } from "./play.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url);
const files = readdirSync(FIXTURES).filter((file) => file.endsWith(".jsonl"));

describe.each([1, 3])("%i in memory", (memberCount) => {
  test.each(files)("responds as etcd did: %s", async (file) => {
    const target = await openMemoryTarget(memberCount, 1);
    const { steps, differences } = await play(readFileSync(new URL(file, FIXTURES), "utf8"), target);
    expect(differences).toEqual([]);
    expect(steps).toBeGreaterThan(100);
  });
});
