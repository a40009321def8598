/** What only a process of its own can show: that the program starts by plain node, signals, pipes, exit codes. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient } from "../../src/client/client.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());

function start(...args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, QUORATE_ENDPOINT: served.endpoint } });
}

async function ended(
  child: ChildProcessWithoutNullStreams,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  let out = "";
  let err = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out, err };
}

test("the program puts from stdin, gets, and reports a missing key by its exit code", async () => {
  const put = start("put", "k");
  put.stdin.end("piped ✓");
  expect(await ended(put)).toEqual({ code: 0, out: "OK\n", err: "" });
  expect(await ended(start("get", "k"))).toEqual({ code: 0, out: "k\npiped ✓\n", err: "" });
  expect((await ended(start("get", "none"))).code).toBe(1);
  expect((await ended(start("nonsense"))).code).toBe(2);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends a watch cleanly with 0", async (signal) => {
  const client = createClient(served.services);
  const { header } = await client.kv.put("w", signal);
  const watch = start("watch", "w", "--rev", String(header.revision));
  watch.stdout.once("data", () => watch.kill(signal));
  expect(await ended(watch)).toEqual({ code: 0, out: `PUT\nw\n${signal}\n`, err: "" });
});

test("a reader that stops reading ends the program without noise", async () => {
  const client = createClient(served.services);
  const value = new Uint8Array(1024 * 1024).fill(65);
  for (let at = 0; at < 4; at++) await client.kv.put(`big${at}`, value);
  const get = start("get", "big", "--prefix");
  get.stdout.once("data", () => get.stdout.destroy());
  const { err } = await ended(get);
  expect(err).toBe("");
});
