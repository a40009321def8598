/**
 * Does on this machine what Cloudflare's static assets do for the deployed worker: workerd's disk service sends files
 * without a content type, and lists folders.
 */

interface Env {
  /** workerd's disk service on dist/web. */
  readonly DISK: { fetch(url: string): Promise<Response> };
}

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  gif: "image/gif",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  map: "application/json",
  mjs: "text/javascript; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  wasm: "application/wasm",
  webmanifest: "application/manifest+json",
  webp: "image/webp",
  woff2: "font/woff2",
};

const worker: { fetch(request: Request, env: Env): Promise<Response> } = {
  async fetch(request, { DISK }) {
    const { pathname } = new URL(request.url);
    const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    const dot = path.lastIndexOf(".");
    const type = dot > path.lastIndexOf("/") ? TYPES[path.slice(dot + 1)] : undefined;
    // A folder has no type, and the page needs no file without one.
    if (type === undefined) return new Response(null, { status: 404 });
    const file = await DISK.fetch(`http://disk${path}`);
    if (!file.ok) return new Response(null, { status: 404 });
    const headers = new Headers({ "content-type": type, "cache-control": cacheControl(path) });
    const content = await file.arrayBuffer();
    const etag = `"${await digestOf(content)}"`;
    headers.set("etag", etag);
    if (isListed(etag, request.headers.get("if-none-match"))) return new Response(null, { status: 304, headers });
    for (const name of ["content-length", "last-modified"]) {
      const value = file.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return new Response(request.method === "HEAD" ? null : content, { headers });
  },
};

// oxlint-disable-next-line import/no-default-export -- workerd calls it
export default worker;

/** Vite adds a hash of the content to the names in assets/. */
function cacheControl(path: string): string {
  return path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
}

async function digestOf(content: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isListed(etag: string, header: string | null): boolean {
  return header?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) === true;
}
