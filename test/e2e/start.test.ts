import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EdgeServer, runStart } from "../support/edge-server.ts";

let data: string;
let server: EdgeServer | undefined;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-start-"));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(data, { recursive: true, force: true });
});

test("npm start serves a healthy cluster and says how to try it", async () => {
  server = await EdgeServer.start(data);

  await server.put("foo", "bar");
  const health = await fetch(`${server.url}/health`);
  const { output } = await server.stop();

  expect(await health.text()).toBe('{"health":"true","reason":""}');
  expect(output).toContain(`curl ${server.url}/v3/kv/put -d '{"key":"Zm9v","value":"YmFy"}'`);
});

test("--processes 3: one member a process; one that is killed is started again, and the data is there at the next start", async () => {
  server = await EdgeServer.start(data, ["--processes", "3"]);
  await server.put("foo", "bar");
  const pidOf = (name: string): number => Number(readFileSync(join(data, "processes", name, "workerd.pid"), "utf8"));
  const before = pidOf("m2");
  process.kill(before, "SIGKILL");
  while (!existsSync(join(data, "processes/m2/workerd.pid")) || pidOf("m2") === before) await sleep(50);
  await server.put("foo", "baz");
  const { code, output } = await server.stop();
  expect(code).toBe(0);
  expect(output).toContain("m2 ended (SIGKILL); it is started again.");

  server = await EdgeServer.start(data, ["--processes", "3"]);
  expect(await server.get("foo")).toBe("baz");
});

test("the data folder and the setup token in it are for nobody else on this machine", async () => {
  const folder = join(data, "new");
  server = await EdgeServer.start(folder, ["--closed"]);
  const isForOthers = async (path: string): Promise<boolean> => ((await stat(path)).mode & 0o077) !== 0;
  expect([await isForOthers(folder), await isForOthers(join(folder, "workerd.capnp"))]).toEqual([false, false]);
  await server.stop();

  // As a folder is that an earlier version made.
  await writeFile(join(data, "workerd.capnp"), "", { mode: 0o644 });
  server = await EdgeServer.start(data, ["--closed"]);
  expect(await isForOthers(join(data, "workerd.capnp"))).toBe(false);
});

test("the page is served with its content types, and folders and strangers' files are not", async () => {
  server = await EdgeServer.start(data);

  const page = await fetch(server.url);
  const script = /src="([^"]+\.js)"/.exec(await page.text())?.[1] ?? "/missing.js";
  const answers = await Promise.all(
    [script, "/assets", "/assets/", "/..%2f..%2fpackage.json", "/nothing.js"].map(async (path) => {
      const response = await fetch(new URL(path, server?.url));
      return [response.status, response.headers.get("content-type")];
    }),
  );

  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(answers[0]).toEqual([200, "text/javascript; charset=utf-8"]);
  for (const answer of answers.slice(1)) expect(answer).toEqual([404, "text/plain; charset=utf-8"]);
});

test("data survive a stop, and --fresh starts empty", async () => {
  server = await EdgeServer.start(data);
  await server.put("kept", "1");
  const { code } = await server.stop();
  server = await EdgeServer.start(data);
  const kept = await server.get("kept");
  await server.stop();
  server = await EdgeServer.start(data, ["--fresh"]);

  expect(code).toBe(0);
  expect(kept).toBe("1");
  expect(await server.get("kept")).toBeUndefined();
});

test("after SIGKILL of workerd its end is reported, and every acknowledged put is stored", async () => {
  server = await EdgeServer.start(data);
  const answered: number[] = [];
  // Each queue ends with the error that the kill caused.
  const queues = Array.from({ length: 8 }, async (_, queue) => {
    for (let at = queue; ; at += 8) {
      await server?.put(`storm/${at}`, String(at));
      answered.push(at);
    }
  });
  const ends = Promise.allSettled(queues);
  while (answered.length < 200) await new Promise((resolve) => setTimeout(resolve, 5));
  const ended = await server.killWorkerd();
  await ends;
  server = await EdgeServer.start(data);

  expect(ended.code).toBe(1);
  expect(ended.output).toContain("workerd ended unexpectedly: signal SIGKILL");
  for (const at of answered) expect(await server.get(`storm/${at}`)).toBe(String(at));
});

test("a workerd whose starter was killed is stopped by the next start, which finds the data", async () => {
  server = await EdgeServer.start(data);
  await server.put("kept", "by an orphan");
  await server.killStarter();

  server = await EdgeServer.start(data);

  expect(await server.get("kept")).toBe("by an orphan");
  expect((await server.stop()).output).toContain("Stopped the workerd of a start that was killed.");
});

test("a second start on the same data, or the same port, says what is wrong", async () => {
  server = await EdgeServer.start(data);
  const other = await mkdtemp(join(tmpdir(), "quorate-start-"));

  const sameData = await runStart(data, []);
  const samePort = await runStart(other, [], String(server.port));
  await rm(other, { recursive: true });

  expect(sameData).toMatchObject({ code: 1, output: expect.stringContaining("already serving the data in") as string });
  expect(samePort).toMatchObject({ code: 1, output: expect.stringContaining("is in use") as string });
  expect(await server.get("foo")).toBeUndefined();
});

test("options that do not exist are refused, and --help explains the others", async () => {
  expect(await runStart(data, ["--frehs"])).toMatchObject({ code: 1 });
  expect(await runStart(data, [], "many")).toMatchObject({
    code: 1,
    output: expect.stringContaining("PORT") as string,
  });
  expect(await runStart(data, ["--allow-origin", "app.example"])).toMatchObject({
    code: 1,
    output: expect.stringContaining('"app.example" is no origin') as string,
  });
  expect(await runStart(data, ["--help"])).toMatchObject({
    code: 0,
    output: expect.stringContaining("--fresh") as string,
  });
});

test("a body of 10 MB and aborted requests affect no other caller", async () => {
  server = await EdgeServer.start(data);
  const refused = await fetch(`${server.url}/v3/kv/put`, { method: "POST", body: " ".repeat(10 * 1024 * 1024) });
  for (const half of [
    'POST /v3/kv/put HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"key":',
    'POST /v3/kv/put HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"ke',
    'POST /v3/watch HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"create',
    "POST /v3/kv/p",
    "\u0016\u0003\u0001 this is TLS",
  ]) {
    await sendHalf(server.port, half);
  }

  expect([refused.status, await refused.json()]).toMatchObject([429, { code: 8 }]);
  await server.put("after", "the noise");
  expect(await server.get("after")).toBe("the noise");
});

function sendHalf(port: number, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.write(text, () => socket.destroy());
  });
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
