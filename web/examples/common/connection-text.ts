/** What is true of the connection now, in words: a colour alone says nothing to many people. */
import type { ConnectionSnapshot } from "quorate";

export interface ConnectionText {
  readonly text: string;
  readonly tone: "good" | "busy" | "bad";
}

const TEXTS: Readonly<Record<string, ConnectionText>> = {
  idle: { text: "Connecting…", tone: "busy" },
  joining: { text: "Joining the room…", tone: "busy" },
  "catching-up": { text: "Catching up: what you see may be old", tone: "busy" },
  connected: { text: "Connected", tone: "good" },
  unavailable: { text: "What you see may be old, and nothing can be changed now", tone: "bad" },
  disconnected: { text: "Offline: what you see may be old, and nothing can be changed", tone: "bad" },
  stopped: { text: "Stopped", tone: "bad" },
  closed: { text: "Closed", tone: "bad" },
};

export function connectionText({ state, reason }: ConnectionSnapshot): ConnectionText {
  const known = TEXTS[state] ?? { text: state, tone: "busy" };
  return reason === "" || known.tone === "good" ? known : { ...known, text: `${known.text} (${reason})` };
}
