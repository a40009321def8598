/** Tells that a new version of the page is ready. Screen readers say it when they are idle; the focus stays where it is. */
import { h } from "../view/dom.ts";

export function showUpdate(reload: () => void): void {
  // A version that came after one that nobody has taken yet takes its place.
  document.querySelector(".update-bar")?.remove();
  const bar = h("div", { class: "update-bar", role: "status" });
  // A live region is read when its content changes, so it is on the page before.
  document.body.append(bar);
  const take = h("button", { type: "button", onclick: reload }, "Reload");
  const later = h("button", { type: "button", class: "quiet", onclick: () => bar.remove() }, "Later");
  requestAnimationFrame(() => bar.append(h("p", {}, "A new version of this page is ready."), take, later));
}
