/** Starts the page: the address decides its mode, and only what that needs is loaded. */
import "./style.css";
import type { Client } from "../src/client/client.ts";
import { pageMode } from "./page-mode.ts";
import { PageRefusal } from "./page-refusal.ts";
import { h } from "./view/dom.ts";
import { showPage } from "./view/page.ts";

declare global {
  interface Window {
    /** This tab's member, or the cluster at the edge: for the console, and for tests. */
    quorate: Client;
  }
}

const root = document.getElementById("root") ?? document.body;
start().catch((error: unknown) => {
  if (error instanceof PageRefusal) {
    root.replaceChildren(refusal(error.message, error.link));
    return;
  }
  root.replaceChildren(refusal(`This page could not start: ${error instanceof Error ? error.message : String(error)}`));
});

async function start(): Promise<void> {
  const mode = pageMode(location.search);
  if (mode.type === "bad-room") {
    root.replaceChildren(
      refusal(
        `“${mode.room}” cannot be a room’s name: 1 to 64 letters, digits and . _ ~ - are, beginning with a letter or digit.`,
      ),
    );
    return;
  }
  const source =
    mode.type === "edge"
      ? (await import("./edge/start.ts")).startEdge(location)
      : await (await import("./room/start.ts")).startRoom(mode.room, location);
  window.quorate = source.client;
  document.title = `${source.title} – Quorate`;
  showPage(root, mode.type, source);
  await (await import("./offline/offline.ts")).startOffline();
}

function refusal(text: string, link?: PageRefusal["link"]): HTMLElement {
  const ways = link === undefined ? [] : [h("p", {}, h("a", { href: link.href }, link.text))];
  const home = h("p", {}, h("a", { href: "./" }, "To the edge cluster"));
  return h("main", { class: "refusal", role: "alert" }, h("h1", {}, "Quorate"), h("p", {}, text), ...ways, home);
}
