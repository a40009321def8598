/** Serves the built page and nothing else, in versions that differ by a mark. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const WEB = join(import.meta.dirname, "../../dist/web");
const TYPES: Readonly<Record<string, string>> = { html: "text/html", js: "text/javascript", css: "text/css" };

export interface PageServer {
  readonly url: string;
  /** From now on the page and its service worker are those of this version. */
  publish(version: string): void;
  stop(): Promise<void>;
}

export async function startPageServer(): Promise<PageServer> {
  let version = "1";
  const server = createServer((request, response) => {
    void (async () => {
      const path = (request.url ?? "/").replace(/\?.*/, "").replace(/^\/c\/[^/]+/, "");
      const name = path === "/" ? "index.html" : path.slice(1).replace(/-v\d\.js$/, ".js");
      const file = await readFile(join(WEB, name)).catch(() => undefined);
      if (file === undefined || name.includes("..")) return void response.writeHead(404).end();
      response.writeHead(200, { "content-type": TYPES[name.split(".").at(-1) ?? ""] ?? "text/plain" });
      return void response.end(name.startsWith("assets/") ? file : marked(file.toString(), version));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publish: (next) => {
      version = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The page's first script has another name in each version, as with other contents. */
function marked(text: string, version: string): string {
  return (
    text
      // The hash of the version, in the service worker.
      .replace(/([0-9a-f]{15})[0-9a-f](?=["'`])/, `$1${version}`)
      .replaceAll(/\/assets\/index-([\w-]{8})\.js/g, `/assets/index-$1-v${version}.js`)
      .replace('<html lang="en"', `<html lang="en" data-version="${version}"`)
  );
}
