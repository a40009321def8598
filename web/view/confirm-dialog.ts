/** Asks before something that cannot be undone. Escape and Cancel mean no. */
import { h } from "./dom.ts";

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly isDanger?: boolean;
}

export function ask({ title, text, yes, isDanger = true }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const close = (answer: boolean): void => {
      resolve(answer);
      dialog.close();
    };
    const confirm = h("button", { type: "button", class: isDanger ? "danger" : "primary" }, yes);
    confirm.addEventListener("click", () => close(true));
    const cancel = h("button", { type: "button", autofocus: true, onclick: () => close(false) }, "Cancel");
    const dialog = h(
      "dialog",
      { class: "dialog narrow", "aria-label": title },
      h("h2", {}, title),
      h("p", {}, text),
      h("div", { class: "buttons" }, cancel, confirm),
    );
    dialog.addEventListener("close", () => {
      resolve(false);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
