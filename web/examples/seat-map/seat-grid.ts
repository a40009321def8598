/** The seats as buttons. One of them is in the page's tab order; the arrow keys move between them. */
import type { LiveSnapshot } from "quorate";
import type { Seat } from "./seats.ts";

const ROWS = ["A", "B", "C", "D"];
const SEATS_IN_ROW = 8;
const MOVES: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowUp: -SEATS_IN_ROW,
  ArrowDown: SEATS_IN_ROW,
};

export class SeatGrid {
  readonly #buttons: readonly HTMLButtonElement[];
  readonly #person: string;

  constructor(place: HTMLElement, person: string, onClick: (seat: string) => void) {
    this.#person = person;
    const seats = ROWS.flatMap((row) => Array.from({ length: SEATS_IN_ROW }, (_, at) => `${row}${at + 1}`));
    this.#buttons = seats.map((seat, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = seat;
      button.dataset["seat"] = seat;
      button.tabIndex = at === 0 ? 0 : -1;
      button.addEventListener("click", () => onClick(seat));
      button.addEventListener("focus", () => this.#enter(at));
      button.addEventListener("keydown", (event) => this.#move(event, at));
      return button;
    });
    place.style.setProperty("--columns", String(SEATS_IN_ROW));
    place.replaceChildren(...this.#buttons);
    this.#describe(new Map());
  }

  show({ entries, isStale }: LiveSnapshot<Seat>): void {
    this.#describe(new Map([...entries].map(([seat, { value }]) => [seat, value])));
    for (const button of this.#buttons) button.toggleAttribute("data-stale", isStale);
  }

  #describe(taken: ReadonlyMap<string, Seat>): void {
    for (const button of this.#buttons) {
      const seat = button.dataset["seat"] ?? "";
      const holder = taken.get(seat);
      const state = holder === undefined ? "free" : holder.person === this.#person ? "yours" : "taken";
      button.dataset["state"] = state;
      button.setAttribute(
        "aria-label",
        holder === undefined || state === "yours" ? `${seat}, ${state}` : `${seat}, ${holder.name}'s`,
      );
      button.title = holder?.name ?? "";
    }
  }

  #move(event: KeyboardEvent, at: number): void {
    const target = this.#buttons[at + (MOVES[event.key] ?? 0)];
    if (MOVES[event.key] === undefined || target === undefined) return;
    event.preventDefault();
    target.focus();
  }

  #enter(at: number): void {
    this.#buttons.forEach((button, other) => {
      button.tabIndex = other === at ? 0 : -1;
    });
  }
}
