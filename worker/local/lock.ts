/**
 * One server per data folder: two would write to the same databases. The lock is a socket in the folder, because a
 * socket dies with its process, however that ends, and a file with a process id in it does not.
 */
import { rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { relative } from "node:path";

export interface FolderLock {
  release(): Promise<void>;
}

/** Undefined when somebody else holds it. */
export async function lockFolder(path: string): Promise<FolderLock | undefined> {
  // A socket's path may have 107 bytes; from the current folder it is most often shorter.
  const fromHere = relative(process.cwd(), path);
  const address = fromHere.length < path.length ? fromHere : path;
  let server = await listen(address);
  if (server === undefined && !(await answers(address))) {
    await rm(address, { force: true });
    server = await listen(address);
  }
  if (server === undefined) return undefined;
  const held = server;
  return { release: () => new Promise((resolve) => held.close(() => resolve())) };
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => {
      // The lock alone keeps nobody running.
      server.unref();
      resolve(server);
    });
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const settle = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
