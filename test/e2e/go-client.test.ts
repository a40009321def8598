/**
 * etcd's own Go client (clientv3 with its concurrency package, recipes, leasing, namespace, mirror and ordering) with
 * three endpoints, a gRPC front before each of three members at the edge. The checks are a Go program,
 * `test/grpc/go-client`; building it wants Go and, once, a network: `QUORATE_GO=1 npx vitest run --project e2e
 * test/e2e/go-client.test.ts`.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EdgeServer } from "../support/edge-server.ts";
import { startFront, stopAll } from "./etcdctl-support.ts";

const SOURCES = join(import.meta.dirname, "../grpc/go-client");
const BUILD_MS = 600_000;

describe.skipIf(process.env["QUORATE_GO"] !== "1")(
  "Go's clientv3 (skipped unless QUORATE_GO=1, and Go is there)",
  () => {
    let folder: string;
    let edge: EdgeServer;
    let fronts: Awaited<ReturnType<typeof startFront>>[] = [];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "quorate-go-"));
      await promisify(execFile)("go", ["build", "-o", join(folder, "client"), "."], { cwd: SOURCES });
      edge = await EdgeServer.start(join(folder, "data"));
      fronts = await Promise.all([1, 2, 3].map((at) => startFront(`${edge.url}/m/${at}`)));
    }, BUILD_MS);
    afterAll(async () => {
      await stopAll(fronts.map(({ child }) => child));
      await edge.stop();
      await rm(folder, { recursive: true, force: true });
    });

    async function stop(at: number): Promise<void> {
      const proxy = fronts[at];
      if (proxy !== undefined) await stopAll([proxy.child]);
    }

    async function start(at: number): Promise<void> {
      fronts[at] = await startFront(`${edge.url}/m/${at + 1}`, [], fronts[at]?.address);
    }

    /** What the program asks for. */
    async function please(what: string): Promise<void> {
      switch (what) {
        case "stop the first front":
          return stop(0);
        case "start the first front":
          return start(0);
        case "restart the fronts":
          await Promise.all([0, 1, 2].map(stop));
          await Promise.all([0, 1, 2].map(start));
          return;
        case "restart the servers": {
          const { port } = edge;
          await edge.killWorkerd();
          edge = await EdgeServer.start(join(folder, "data"), [], port);
          return;
        }
        default:
          throw new Error(`the program asks for "${what}"`);
      }
    }

    test(
      "every check passes, through the loss of one proxy, of all proxies and of all members",
      async () => {
        const endpoints = fronts.map(({ address }) => address).join(",");
        const child = spawn(join(folder, "client"), ["-endpoints", endpoints], { stdio: ["pipe", "pipe", "inherit"] });
        const ended = once(child, "close");
        const said: string[] = [];
        for await (const line of createInterface(child.stdout)) {
          if (line.startsWith("please ")) {
            await please(line.slice("please ".length));
            child.stdin.write("done\n");
          } else said.push(line);
        }
        expect(said.filter((line) => !line.startsWith("ok "))).toEqual([]);
        expect(said.length).toBeGreaterThan(30);
        expect(await ended).toEqual([0, null]);
      },
      BUILD_MS,
    );
  },
);
