/** A real etcd of one member, in a folder of its own, on free ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { until } from "../until.ts";

export class Etcd {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(program: string, data: string): Promise<Etcd> {
    const [url, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const clients = ["--listen-client-urls", url, "--advertise-client-urls", url];
    const peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer];
    const args = ["--data-dir", data, ...clients, ...peers, "--initial-cluster", `default=${peer}`];
    const child = spawn(program, [...args, "--log-level", "error"], { stdio: "ignore" });
    await once(child, "spawn");
    const etcd = new Etcd(child, url);
    await until("etcd's health", () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return etcd;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
