/** Calls an API with a session that several tabs share, and refreshes it once for all. */
import { connect } from "quorate";
import { element, messageOf, parameter } from "../common/page.ts";
import { showConnection } from "../common/show-connection.ts";
import "../common/style.css";
import { SharedSession } from "./shared-session.ts";

const oauth = parameter("oauth", "http://localhost:8789");
const client = connect({ endpoint: parameter("endpoint", "http://localhost:8787") });
showConnection(client, element("connection"));

const session = new SharedSession(client, { oauth, user: parameter("user", "ann"), log });

const live = session.live();
const show = (): void => {
  const tokens = live.get("session")?.value;
  const text = tokens === undefined ? "Nobody has signed in." : `Signed in; refreshed ${tokens.refreshes} times.`;
  element("session").textContent = live.isStale ? `${text} This may be old.` : text;
};
live.subscribe(show);
live.ready.then(show, show);

element("login").addEventListener("click", () => void run("Signed in.", () => session.signIn()));
element("call").addEventListener(
  "click",
  () =>
    void run("The API answered.", async () => {
      const response = await fetch(`${oauth}/api`, {
        headers: { authorization: `Bearer ${await session.accessToken()}` },
      });
      if (!response.ok) throw new Error(`the API refused: ${response.status}`);
    }),
);

async function run(done: string, action: () => Promise<void>): Promise<void> {
  element("said").textContent = "…";
  try {
    await action();
    element("said").textContent = done;
  } catch (error) {
    element("said").textContent = `That failed: ${messageOf(error)}`;
  }
}

function log(text: string): void {
  const item = document.createElement("li");
  item.textContent = text;
  element("log").append(item);
}
