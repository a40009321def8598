/** Serves built pages, and gates at which a page's script can be stopped and let go. */
import { readFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
};

export class StaticServer {
  readonly origin: string;
  readonly #server: Server;
  readonly #stopped: Set<ServerResponse>;

  private constructor(server: Server, stopped: Set<ServerResponse>) {
    this.#server = server;
    this.#stopped = stopped;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(root: string): Promise<StaticServer> {
    const stopped = new Set<ServerResponse>();
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://page");
      if (pathname === "/gate") return void stopped.add(response);
      const file = normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
      readFile(join(root, file)).then(
        (bytes) => response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" }).end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return new StaticServer(server, stopped);
  }

  /** How many pages stand at the gate: each in a synchronous request, so that nothing else happens in it. */
  get atGate(): number {
    return this.#stopped.size;
  }

  openGate(): void {
    for (const response of this.#stopped) response.end();
    this.#stopped.clear();
  }

  close(): void {
    this.openGate();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
