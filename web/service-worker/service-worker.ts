/**
 * Loads the page without a network. It stores the files of one version of the page and nothing else: an answer of the API
 * is never stored, because it would be older than it looks.
 *
 * The page itself comes from the network as long as that answers in time, with the headers that the server has now. The
 * other files have their content's hash in their names, and come from the store.
 *
 * A new version is stored beside the old one and waits until its user wants it, or until no page is open. The files of the
 * version before it stay for pages that are still open in other tabs; older ones are removed.
 */
/** Set by the build: paths of all files but the page, and a hash of all of them. */
declare const PAGE_FILES: readonly string[];
declare const PAGE_VERSION: string;

const worker = globalThis as object as ServiceWorkerGlobalScope;
const PAGE_WITHIN_MS = 3_000;
const SCOPE: string = new URL(worker.registration.scope).pathname;
const CACHES: string = `quorate-page ${SCOPE} `;
const CACHE: string = CACHES + PAGE_VERSION;
const VERSIONS_KEPT = 2;
const GATEWAY_ERRORS: ReadonlySet<number> = new Set([502, 503, 504]);

worker.addEventListener("install", (event) => event.waitUntil(store()));
worker.addEventListener("activate", (event) => event.waitUntil(takeOver()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (request.mode === "navigate" && url.pathname === SCOPE) event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/") && url.search === "") event.respondWith(file(request));
});
worker.addEventListener("message", ({ data, ports, source }) => {
  // From pages below this scope alone: others have no way to reach it.
  if (!(source instanceof WindowClient)) return;
  if (data === "activate") void worker.skipWaiting();
  else if (typeof data === "string") ports[0]?.postMessage(PAGE_FILES.includes(data));
});

/** All files or none: a version is never stored in part. */
async function store(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll([SCOPE, ...PAGE_FILES].map((path) => new Request(path, { cache: "no-cache" })));
}

async function takeOver(): Promise<void> {
  const versions = (await caches.keys()).filter((name) => name.startsWith(CACHES) && name !== CACHE);
  // In the order in which they were made.
  const old = versions.slice(0, Math.max(0, versions.length - (VERSIONS_KEPT - 1)));
  await Promise.all(old.map((name) => caches.delete(name)));
  // The page that was open when the first version came works offline, too.
  await worker.clients.claim();
}

async function page(request: Request): Promise<Response> {
  const stored = async (): Promise<Response | undefined> => (await caches.open(CACHE)).match(SCOPE);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PAGE_WITHIN_MS) });
    if (!GATEWAY_ERRORS.has(response.status)) return response;
    return (await stored()) ?? response;
  } catch (error) {
    const found = await stored();
    if (found === undefined) throw error;
    return found;
  }
}

/** Of this version, or of the one before it, whose pages may still be open. */
async function file(request: Request): Promise<Response> {
  for (const name of [CACHE, ...(await caches.keys()).reverse()]) {
    if (!name.startsWith(CACHES)) continue;
    const found = await (await caches.open(name)).match(request.url);
    if (found !== undefined) return found;
  }
  return fetch(request);
}
