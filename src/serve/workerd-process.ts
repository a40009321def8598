/**
 * Runs workerd as a child process: starts it, waits until the cluster is healthy, stops it, and reports how it ended.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** Time for workerd to finish running requests, in milliseconds. A watch would never end. */
const STOP_WITHIN_MS = 500;

/** The name of the socket for clients in workerd's configuration. */
export const HTTP_SOCKET = "http";

export interface ServerOptions {
  readonly configFile: string;
  /** Has the child's process id, for the next start after this process was killed. */
  readonly pidFile: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class LocalServer {
  readonly ended: Promise<Ended>;
  /** Resolves with workerd's port. Rejects if workerd ends before it listens. */
  readonly listening: Promise<number>;
  readonly #child: ChildProcess;

  constructor({ configFile, pidFile }: ServerOptions) {
    this.#child = spawn(workerdFile(), ["serve", configFile, "--control-fd=3"], {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("exit", (code, signal) => {
        rmSync(pidFile, { force: true });
        resolve({ code, signal });
      });
    });
    if (this.#child.pid !== undefined) writeFileSync(pidFile, String(this.#child.pid));
    this.listening = this.#port();
    this.listening.catch(() => {});
  }

  /** Process id of workerd; 0 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** All acknowledged data is on the disk, so nothing is lost however workerd ends. */
  stop(): void {
    this.#child.kill("SIGTERM");
    setTimeout(() => this.#child.kill("SIGKILL"), STOP_WITHIN_MS).unref();
  }

  /** workerd reports each socket in a line of its own, and fails if nobody reads one. */
  #port(): Promise<number> {
    const lines = createInterface({ input: this.#child.stdio[3] as Readable });
    return new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        const { socket, port } = JSON.parse(line) as { readonly socket?: string; readonly port?: number };
        if (socket === HTTP_SOCKET && port !== undefined) resolve(port);
      });
      lines.once("close", () => reject(new Error("workerd did not start")));
    });
  }
}

/**
 * A workerd that outlived its killed parent still holds the data. Stops it, and returns true if there was one. The
 * process id alone proves nothing, because ids are reused; the command line does.
 */
export async function stopLeftover(pidFile: string, configFile: string): Promise<boolean> {
  if (!existsSync(pidFile)) return false;
  const pid = Number(readFileSync(pidFile, "utf8"));
  rmSync(pidFile, { force: true });
  if (!Number.isInteger(pid) || pid <= 1 || !(await commandLine(pid)).includes(configFile)) return false;
  process.kill(pid, "SIGTERM");
  for (let waitedMs = 0; isAlive(pid); waitedMs += 20) {
    if (waitedMs > 5_000) process.kill(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/**
 * Returns the executable itself. Where npm ran no install scripts, the file in .bin only starts it, and signals end
 * there.
 */
function workerdFile(): string {
  const { default: file } = createRequire(import.meta.url)("workerd") as { readonly default: string };
  return file;
}

/** Returns an empty text if there is no such process. */
function commandLine(pid: number): Promise<string> {
  // A minimal Linux has no `ps`; other systems have no /proc.
  if (existsSync(`/proc/${pid}/cmdline`)) return Promise.resolve(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  return new Promise((resolve) => {
    const child = spawn("ps", ["-ww", "-o", "args=", "-p", String(pid)], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    child.once("error", () => resolve(""));
    child.once("close", () => resolve(text));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
