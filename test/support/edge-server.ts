/** `npm start` as a child, on a free port and with data of its own. It serves what `npm run build` left. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const STARTER = join(import.meta.dirname, "../../worker/local/start.ts");

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

export class EdgeServer {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #data: string;
  readonly #output: () => string;

  private constructor(child: ChildProcess, data: string, url: string, output: () => string) {
    this.#child = child;
    this.#data = data;
    this.url = url;
    this.#output = output;
  }

  static async start(data: string, options: readonly string[] = [], port = 0): Promise<EdgeServer> {
    const { child, output } = run(data, options, String(port));
    for (;;) {
      const url = /Quorate is serving (\S+)/.exec(output())?.[1];
      if (url !== undefined) return new EdgeServer(child, data, url, output);
      if (hasEnded(child)) throw new Error(`it did not start:\n${output()}`);
      await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), once(child, "exit")]);
    }
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** As Ctrl-C does. */
  async stop(): Promise<Ran> {
    if (!hasEnded(this.#child)) {
      this.#child.kill("SIGTERM");
      await once(this.#child, "close");
    }
    return { code: this.#child.exitCode, output: this.#output() };
  }

  /** SIGKILL to workerd itself: nothing is flushed, no connection is closed. */
  async killWorkerd(): Promise<Ran> {
    process.kill(Number(readFileSync(join(this.#data, "workerd.pid"), "utf8")), "SIGKILL");
    await once(this.#child, "close");
    return { code: this.#child.exitCode, output: this.#output() };
  }

  /** SIGKILL to the starter; its workerd lives on. */
  async killStarter(): Promise<void> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async put(key: string, value: string): Promise<void> {
    await this.post("/v3/kv/put", { key: btoa(key), value: btoa(value) });
  }

  async get(key: string): Promise<string | undefined> {
    const { kvs } = (await this.post("/v3/kv/range", { key: btoa(key) })) as { kvs?: { value: string }[] };
    return kvs?.[0] === undefined ? undefined : atob(kvs[0].value);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** For starts that are refused: waits for the end. */
export async function runStart(data: string, options: readonly string[], port = "0"): Promise<Ran> {
  const { child, output } = run(data, options, port);
  await once(child, "close");
  return { code: child.exitCode, output: output() };
}

function run(data: string, options: readonly string[], port: string): { child: ChildProcess; output: () => string } {
  const args = [STARTER, "--no-build", "--data", data, ...options];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, PORT: port },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const collect = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return { child, output: () => text };
}
