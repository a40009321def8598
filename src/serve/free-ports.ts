/** Ports for processes that are started, and started again later. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below those that systems give to outgoing connections: one of these could take the port while its process is down. */
const LOWEST = 20_000;
const BEYOND = 32_768;

/** Returns different ports of `host` that nobody listens at now. */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(LOWEST, BEYOND);
    if (!ports.has(port) && (await isFree(host, port))) ports.add(port);
  }
  return [...ports];
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
