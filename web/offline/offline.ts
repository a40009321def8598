/** Has the service worker installed, and offers a new version of the page when it is there. */
import { clusterBase } from "../page-mode.ts";
import { showUpdate } from "./update-bar.ts";

const SCRIPT = "sw.js";
const LOOK_EVERY_MS = 60 * 60 * 1_000;
const TAKEN_OVER_WITHIN_MS = 1_500;

/** For the Content Security Policy, which lets this one policy name the scripts of workers. */
interface TrustedTypesLike {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Does nothing where there are no service workers, as on plain http. Does not reject. */
export async function startOffline(): Promise<void> {
  // Some browsers lack it on plain http.
  const workers = (navigator as { readonly serviceWorker?: ServiceWorkerContainer }).serviceWorker;
  if (workers === undefined) return;
  const base = `${clusterBase(location.pathname)}/`;
  try {
    const registration = await workers.register(trusted(base + SCRIPT), { scope: base, updateViaCache: "none" });
    registration.addEventListener("updatefound", () => follow(registration));
    if (registration.waiting !== null) await offer(registration.waiting);
    follow(registration);
    lookNowAndThen(registration);
  } catch {
    // The server is away, or the browser stores nothing. The page works as long as it is open.
  }
}

function trusted(url: string): string {
  const types = (globalThis as { readonly trustedTypes?: TrustedTypesLike }).trustedTypes;
  const createScriptURL = (given: string): string => {
    if (!/^\/(?:c\/[^/]+\/)?sw\.js$/.test(given)) throw new TypeError(`${given} is not the page's service worker`);
    return given;
  };
  return types === undefined
    ? url
    : types.createPolicy("quorate-service-worker", { createScriptURL }).createScriptURL(url);
}

const followed: WeakSet<ServiceWorker> = new WeakSet();

/** Until the worker that is being installed waits. It is announced twice when it is found while registering. */
function follow({ installing }: ServiceWorkerRegistration): void {
  if (installing === null || followed.has(installing)) return;
  followed.add(installing);
  installing.addEventListener("statechange", () => {
    if (installing.state === "installed" && navigator.serviceWorker.controller !== null) void offer(installing);
  });
}

/** A page that came from the network may be the new version already. */
async function offer(waiting: ServiceWorker): Promise<void> {
  if (await isOfThisPage(waiting)) {
    waiting.postMessage("activate", []);
    return;
  }
  showUpdate(() => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    // Chromium lets it wait for the old one now and then, though that has nothing to do. It takes over when the page goes,
    // and the page comes from the network first, so it is new anyway.
    setTimeout(() => location.reload(), TAKEN_OVER_WITHIN_MS);
    waiting.postMessage("activate", []);
  });
}

function isOfThisPage(worker: ServiceWorker): Promise<boolean> {
  const script = document.querySelector<HTMLScriptElement>('script[type="module"][src]');
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener("message", ({ data }) => resolve(data === true), { once: true });
    port1.start();
    worker.postMessage(script === null ? "" : new URL(script.src).pathname, [port2]);
  });
}

/** A tab may stay open for weeks. */
function lookNowAndThen(registration: ServiceWorkerRegistration): void {
  let lookedMs = performance.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || performance.now() - lookedMs < LOOK_EVERY_MS) return;
    lookedMs = performance.now();
    // Without a network there is nothing new.
    registration.update().catch(() => {});
  });
}
