/** Shows the cluster's name, this tab's role in it, and whether it serves and if not why. */
import type { PageSource } from "../model/page-source.ts";
import type { Action, Situation } from "../model/situation.ts";
import { ask } from "./confirm-dialog.ts";
import { h, setAttribute, setText } from "./dom.ts";

export interface Part {
  readonly element: HTMLElement;
  show(situation: Situation): void;
}

export function headerPart(mode: "edge" | "room", source: Pick<PageSource, "title">): Part {
  const badge = h("span", { class: "badge", "data-role": "badge" });
  const label = mode === "room" ? "Room" : "Edge cluster";
  const element = h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "/", "aria-label": "Quorate: the edge cluster" }, mark(), "Quorate"),
    h("h1", { class: "title" }, h("span", { class: "muted" }, `${label} `), source.title),
    badge,
    ...(mode === "edge" ? [roomForm()] : []),
  );
  return {
    element,
    show({ badge: { text, tone } }) {
      setText(badge, text);
      setAttribute(badge, "data-tone", tone);
    },
  };
}

/** Draws the logo: three members, one of which leads. */
function mark(): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  const lines = document.createElementNS("http://www.w3.org/2000/svg", "path");
  lines.setAttribute("d", "M12 6 5.5 17.5h13z");
  svg.append(lines);
  for (const [x, y, radius] of [
    [12, 6, 4],
    [5.5, 17.5, 3],
    [18.5, 17.5, 3],
  ]) {
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    dot.setAttribute("cx", String(x));
    dot.setAttribute("cy", String(y));
    dot.setAttribute("r", String(radius));
    svg.append(dot);
  }
  return svg;
}

function roomForm(): HTMLElement {
  return h(
    "form",
    { class: "room-form", action: "/", method: "get" },
    h("label", { for: "room", class: "muted" }, "Open a room in this tab"),
    h("input", {
      id: "room",
      name: "room",
      required: true,
      maxlength: 64,
      size: 12,
      placeholder: "name",
      autocomplete: "off",
      spellcheck: "false",
      pattern: "[A-Za-z0-9][A-Za-z0-9_.~\\-]{0,63}",
      title: "Letters, digits, and . _ ~ - after the first",
    }),
    h("button", { type: "submit" }, "Open"),
  );
}

export function standingPart(): Part {
  const text = h("p", { class: "standing-text" });
  const actions = h("div", { class: "standing-actions" });
  // Screen readers read it when the state changes, and not each second with "since".
  const spoken = h("p", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const element = h("section", { class: "standing", "aria-label": "State" }, dot, text, actions, spoken);
  let shownActions = "";
  return {
    element,
    show({ standing }) {
      setAttribute(element, "data-tone", standing.tone);
      setText(text, standing.text);
      const news = standing.text.replaceAll(/ ?\(?(Since )?\b\d+ (s|min|h)\b\)?\.?/g, "");
      setText(spoken, news);
      const labels = standing.actions.map(({ label }) => label).join("\n");
      if (labels === shownActions) return;
      shownActions = labels;
      actions.replaceChildren(...standing.actions.map(actionButton));
    },
  };
}

function actionButton(action: Action): HTMLElement {
  const { label, warning, run } = action;
  const act = async (): Promise<void> => {
    if (warning === undefined || (await ask({ title: label, text: warning, yes: label }))) run();
  };
  return h("button", { type: "button", onclick: () => void act() }, label);
}

export function factsPart(): Part {
  const values = new Map<string, HTMLElement>();
  const element = h("dl", { class: "facts" });
  return {
    element,
    show({ facts }) {
      for (const { label, value } of facts) {
        let shown = values.get(label);
        if (shown === undefined) {
          shown = h("dd", { "data-fact": label });
          values.set(label, shown);
          element.append(h("div", { class: "fact" }, h("dt", {}, label), shown));
        }
        setText(shown, value);
        setAttribute(shown, "title", value);
      }
    },
  };
}
