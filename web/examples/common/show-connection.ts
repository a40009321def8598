/** Keeps an element's text at what is true of the connection. */
import type { ApplicationClient } from "quorate";
import { connectionText } from "./connection-text.ts";

export function showConnection({ connection }: Pick<ApplicationClient, "connection">, place: HTMLElement): void {
  const show = (): void => {
    const { text, tone } = connectionText(connection.getSnapshot());
    place.textContent = text;
    place.dataset["tone"] = tone;
  };
  connection.subscribe(show);
  show();
}
