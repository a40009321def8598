/**
 * One server per data folder: two would write to the same databases. The lock is a socket in the folder, because a
 * socket ends with its process, however that ends. A file with a process id does not.
 */
import { rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { relative } from "node:path";

export interface FolderLock {
  release(): Promise<void>;
}

/** Returns undefined if another process holds the lock. */
export async function lockFolder(path: string): Promise<FolderLock | undefined> {
  // A socket's path is limited to 107 bytes. Relative to the current folder it is usually shorter.
  const fromHere = relative(process.cwd(), path);
  const address = fromHere.length < path.length ? fromHere : path;
  let server = await listen(address);
  if (server === undefined && !(await isAlive(address))) {
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
      // The lock alone must not keep the process alive.
      server.unref();
      resolve(server);
    });
  });
}

function isAlive(address: string): Promise<boolean> {
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
