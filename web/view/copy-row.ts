/** A link to copy: a field that selects itself, and a button. */
import { h, icon, setText } from "./dom.ts";

export function copyRow(id: string, link: string, text: string): readonly HTMLElement[] {
  const field = h("input", { id, class: "mono", readonly: true, value: link, onfocus: () => field.select() });
  const done = h("span", { class: "visually-hidden", role: "status" });
  const button = h("button", { type: "button", class: "with-icon" }, icon("copy"), "Copy");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link);
      setText(done, "The link was copied.");
      button.replaceChildren("Copied");
    } catch {
      field.select();
      button.replaceChildren("Selected");
    }
    setTimeout(() => button.replaceChildren(icon("copy"), "Copy"), 2000);
  };
  button.addEventListener("click", () => void copy());
  return [h("label", { for: id, class: "muted small" }, text), h("div", { class: "share-row" }, field, button), done];
}
