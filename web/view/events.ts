/** Shows the latest events, newest first, with a button to pause. */
import { countOf, numberText } from "../model/bytes-text.ts";
import { EventLog } from "../model/event-log.ts";
import type { LoggedEvent } from "../model/event-log.ts";
import { h, icon, KeyedRows, setAttribute, setText } from "./dom.ts";
import type { Row } from "./dom.ts";

export interface EventsPart {
  readonly element: HTMLElement;
  readonly log: EventLog;
  show(): void;
}

export function eventsPart(redraw: () => void): EventsPart {
  const log = new EventLog();
  const list = h("ol", { class: "events", "aria-label": "Latest events, newest first", tabindex: "0" });
  const rows = new KeyedRows<LoggedEvent>(list, ({ serial }) => String(serial), eventRow);
  const note = h("p", { class: "muted small" });
  const pause = h("button", { type: "button", class: "with-icon", "aria-pressed": "false" }, icon("pause"), "Pause");
  pause.addEventListener("click", () => {
    log.pause(!log.isPaused);
    setAttribute(pause, "aria-pressed", String(log.isPaused));
    pause.replaceChildren(icon(log.isPaused ? "play" : "pause"), log.isPaused ? "Go on" : "Pause");
    redraw();
  });
  const clear = h("button", { type: "button" }, "Clear");
  clear.addEventListener("click", () => {
    log.clear();
    redraw();
  });
  const element = h(
    "section",
    { class: "panel", "aria-labelledby": "events-title" },
    h("div", { class: "panel-head" }, h("h2", { id: "events-title" }, "Events"), pause, clear),
    note,
    list,
  );
  return {
    element,
    log,
    show() {
      rows.show(log.events);
      setText(note, noteOf(log));
    },
  };
}

function noteOf(log: EventLog): string {
  if (log.isPaused) return `Paused; ${countOf(log.missed, "event")} not shown.`;
  return log.events.length === 0 ? "What is put and deleted from now on appears here." : "";
}

function eventRow({ type, revision, key, value }: LoggedEvent): Row<LoggedEvent> {
  const element = h(
    "li",
    { class: "event" },
    h("span", { class: "muted number" }, numberText(revision)),
    h("span", { class: "event-type", "data-type": type }, type === "PUT" ? "put" : "delete"),
    h("span", { class: "mono event-key", title: key }, key),
    h("span", { class: "mono muted event-value", "data-shown": value?.type ?? "none" }, value?.text ?? ""),
  );
  return { element, update: () => {} };
}
