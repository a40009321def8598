/** A real etcd of one member, started on a free port with data of its own. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpTarget } from "./http-target.ts";

const STARTS_WITHIN_MS = 15_000;
const LOOK_MS = 25;

/** `program`: where etcd's executable is. What is written need not survive the machine. */
export async function startReference(program: string): Promise<HttpTarget> {
  const folder = await mkdtemp(join(tmpdir(), "quorate-reference-"));
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const urls = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--listen-client-urls", client];
  const cheap = ["--unsafe-no-fsync", "--bcrypt-cost", "4", "--log-level", "panic"];
  const cluster = ["--name", "etcd", "--advertise-client-urls", client, "--initial-cluster", `etcd=${peer}`];
  const child = spawn(program, ["--data-dir", folder, ...urls, ...cluster, ...cheap], { stdio: "ignore" });
  // However this program ends, its etcd ends with it.
  process.once("exit", () => void child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.race([healthy(client), ended.then(() => Promise.reject(new Error(`${program} ended`)))]);
  } catch (error) {
    await stop();
    throw error;
  }
  return new HttpTarget(client, { stop });
}

async function healthy(url: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < STARTS_WITHIN_MS; waitedMs += LOOK_MS) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    await response?.text();
    if (response?.ok === true) return;
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  throw new Error(`${url} did not get healthy within ${STARTS_WITHIN_MS} ms`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
