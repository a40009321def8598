/** Clients that leave without a word: by the end of a connection, its reset, or the end of a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";

export type Way = "FIN" | "RST" | "SIGKILL";

export const WAYS: readonly Way[] = ["FIN", "RST", "SIGKILL"];

/** A client that waits, or receives events, until it leaves. */
export interface Caller {
  leave(): void;
}

export interface Said {
  /** Sent one after the other, each once something has come. */
  readonly parts: readonly Buffer[];
  /** Takes nothing of what comes; then there is but one part. */
  readonly isDeaf?: boolean;
}

export function post(path: string, body: object, isDeaf = false): Said {
  const text = JSON.stringify(body);
  return { parts: [Buffer.from(`${head("POST", path)}Content-Length: ${text.length}\r\n\r\n${text}`)], isDeaf };
}

/** More could come: the body does not end. */
export function postOpen(path: string, body: object): Said {
  const text = JSON.stringify(body);
  const chunk = `${text.length.toString(16)}\r\n${text}\r\n`;
  return { parts: [Buffer.from(`${head("POST", path)}Transfer-Encoding: chunked\r\n\r\n${chunk}`)] };
}

export function events(path: string): Said {
  return { parts: [Buffer.from(`${head("GET", path)}Accept: text/event-stream\r\n\r\n`)] };
}

export function webSocket(path: string, message: object): Said {
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  const upgrade = `${head("GET", path)}Connection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`;
  const text = Buffer.from(JSON.stringify(message));
  // A text frame in one piece, masked by zeros.
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]);
  return { parts: [Buffer.from(upgrade), frame] };
}

function head(method: string, path: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
}

export function calling(way: Way, port: number, said: Said): Promise<Caller> {
  return way === "SIGKILL" ? byProcess(port, said) : bySocket(way, port, said);
}

async function bySocket(way: "FIN" | "RST", port: number, { parts, isDeaf = false }: Said): Promise<Caller> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {});
  for (const [at, part] of parts.entries()) {
    if (at > 0) await once(socket, "data");
    await new Promise<void>((resolve) => {
      socket.write(part, () => resolve());
    });
  }
  if (!isDeaf) socket.resume();
  return { leave: () => (way === "RST" ? socket.resetAndDestroy() : socket.destroy()) };
}

async function byProcess(port: number, { parts, isDeaf = false }: Said): Promise<Caller> {
  const script = `
    const parts = ${JSON.stringify(parts.map((part) => part.toString("base64")))}.map((text) => Buffer.from(text, "base64"));
    const socket = require("node:net").connect(${port}, "127.0.0.1");
    const say = () => socket.write(parts.shift(), () => parts.length === 0 && console.log("said"));
    say();
    if (parts.length > 0) socket.once("data", say);
    if (!${isDeaf}) socket.resume();`;
  return new Process(await saying(["-e", script]));
}

/** Waits for its first line. */
async function saying(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

export class Process implements Caller {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  leave(): void {
    this.#child.kill("SIGKILL");
  }

  /** It keeps its connections, and answers nothing any more: as if its network were gone. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }
}

/** Four calls of one gRPC client: the second in the queues of a lock and an election, a watch and an observer. */
export async function grpcClient(port: number, name: string): Promise<Process> {
  const root = join(import.meta.dirname, "../..");
  const script = `
    import { RawClient } from ${JSON.stringify(join(root, "test/grpc/support/raw-client.ts"))};
    import { RPCS } from ${JSON.stringify(join(root, "src/protocol/api/rpc/rpc-table.ts"))};
    import { watchCreateRequest } from ${JSON.stringify(join(root, "src/protocol/api/watch.ts"))};
    const { lock, election, watch } = RPCS;
    const client = new RawClient("127.0.0.1:${port}");
    const name = Buffer.from(${JSON.stringify(name)});
    const quiet = () => {};
    client.call(lock.lock, { name, lease: 0n }).catch(quiet);
    client.call(election.campaign, { name: Buffer.from(${JSON.stringify(`${name}-led`)}), lease: 0n, value: name }).catch(quiet);
    const stream = client.duplex(watch.watch);
    stream.call.on("error", quiet);
    stream.call.write({ type: "create", create: watchCreateRequest({ key: name }) });
    const observed = client.stream(election.observe, { name: Buffer.from("nobody") });
    observed.next().catch(quiet);
    console.log("said");`;
  return new Process(await saying(["--input-type=module", "-e", script]));
}

/** `quorate grpc` in a process of its own. */
export async function grpcFront(endpoint: string): Promise<{ readonly port: number; readonly process: Process }> {
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  const args = [main, "grpc", "--endpoint", endpoint, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const part of child.stdout as AsyncIterable<Buffer>) {
    text += part.toString();
    const port = /gRPC at 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { port: Number(port), process: new Process(child) };
  }
  throw new Error(`quorate grpc did not start: ${text}`);
}
