/** The page's source without a room: the cluster at the edge that serves it, over HTTP. */
import { createClient } from "../../src/client/client.ts";
import { httpClientServices } from "../../src/client/http/http-client-services.ts";
import type { PageSource } from "../model/page-source.ts";
import { clusterBase } from "../page-mode.ts";
import { EdgeCluster } from "./edge-cluster.ts";
import { edgeSituation } from "./edge-situation.ts";

const LOOK_EVERY_MS = 2_000;

export function startEdge(location: Location): PageSource {
  const base = clusterBase(location.pathname);
  const client = createClient(httpClientServices({ endpoint: `${location.origin}${base}`, WebSocket }));
  const listeners = new Set<() => void>();
  let wellMs = performance.now();
  const cluster = new EdgeCluster({
    fetch: (url, init) => fetch(`${base}${url}`, init),
    onChange: () => {
      if (situation().standing.tone !== "bad") wellMs = performance.now();
      for (const listener of listeners) listener();
    },
  });
  const situation = (): ReturnType<PageSource["situation"]> =>
    edgeSituation(cluster.members, performance.now() - wellMs);
  void lookAgainAndAgain(cluster);
  return {
    title: `${location.host}${base}`,
    share: undefined,
    restore: undefined,
    client,
    opened: Promise.resolve(),
    serializable: false,
    refreshMs: 500,
    situation,
    subscribe: (listener) => listeners.add(listener),
  };
}

/** Requests nothing while the page is hidden, so that the members may sleep: at the edge that makes them free. */
async function lookAgainAndAgain(cluster: EdgeCluster): Promise<never> {
  for (;;) {
    if (document.hidden) {
      await new Promise<void>((resolve) => {
        document.addEventListener("visibilitychange", () => resolve(), { once: true });
      });
      continue;
    }
    await cluster.look();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
