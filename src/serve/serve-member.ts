/**
 * Runs one member in a workerd of its own, until it is stopped or workerd ends.
 *
 *     DATA-DIR/lock           held while the process runs
 *     DATA-DIR/workerd.capnp  the configuration, with the secrets: for its own user only
 *     DATA-DIR/data           the member's database
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { join, relative, resolve } from "node:path";
import type { BuiltWorker } from "./built-worker.ts";
import { lockFolder } from "./folder-lock.ts";
import { type Listener, memberConfig } from "./member-config.ts";
import { type Ended, LocalServer, stopLeftover } from "./workerd-process.ts";

export interface ServeOptions {
  readonly dataDir: string;
  readonly clients: Listener;
  readonly peers: Listener;
  readonly built: BuiltWorker;
  /** Text bindings of the worker; see worker/process/process-env.ts. */
  readonly vars: Readonly<Record<string, string>>;
}

export interface ServedMember {
  /** Resolves with the port for clients when the member's process listens. */
  readonly listening: Promise<number>;
  readonly ended: Promise<Ended>;
  /** Process id of workerd. */
  readonly pid: number;
  /** Nothing acknowledged is lost, however it ends. */
  readonly stop: () => void;
}

/** The data is in use, or workerd is not there. */
export class ServeError extends Error {}

export async function serveMember({ dataDir, clients, peers, built, vars }: ServeOptions): Promise<ServedMember> {
  const home = resolve(dataDir);
  // As etcd makes its data directory: for its own user only.
  await mkdir(home, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(join(home, "lock"));
  if (lock === undefined) throw new ServeError(`another process serves the data in ${home}`);
  try {
    const files = { configFile: join(home, "workerd.capnp"), pidFile: join(home, "workerd.pid") };
    await stopLeftover(files.pidFile, files.configFile);
    const dataFolder = join(home, "data");
    await mkdir(dataFolder, { recursive: true, mode: 0o700 });
    const text = memberConfig({
      ...built,
      clients,
      peers,
      workerFile: relative(home, built.workerFile),
      assetsFile: relative(home, built.assetsFile),
      dataFolder,
      vars,
    });
    await rm(files.configFile, { force: true });
    await writeFile(files.configFile, text, { mode: 0o600 });
    const server = new LocalServer(files);
    const ended = server.ended.then(async (how) => {
      await lock.release();
      return how;
    });
    const listening = server.listening.then((port) => {
      wake(peers, vars["PEER_TOKEN"]);
      return port;
    });
    listening.catch(() => {});
    return { listening, ended, pid: server.pid, stop: () => server.stop() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The member starts with the first request, so one is sent: as another member would, on their listener. */
function wake({ host, port, certificate }: Listener, token: string | undefined): void {
  const request = certificate === undefined ? httpRequest : httpsRequest;
  const sent = request({
    host: host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host.replaceAll(/[[\]]/g, ""),
    port,
    path: "/quorate/peer/members",
    // Nothing is read from the answer.
    rejectUnauthorized: false,
    ...certificate,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  sent.once("response", (response) => response.resume());
  sent.once("error", () => undefined);
  sent.end();
}
