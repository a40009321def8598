/** Seats of a small theatre, held by the browsers that look at them. */
import { openRoom } from "quorate/room";
import { element, messageOf, parameter } from "../common/page.ts";
import { showConnection } from "../common/show-connection.ts";
import "../common/style.css";
import { SeatGrid } from "./seat-grid.ts";
import { Seats } from "./seats.ts";
import "./seats.css";

const name = element("name") as HTMLInputElement;
const say = (text: string): void => {
  element("said").textContent = text;
};

// The secret of the room is in the link's fragment, which no server sees.
const client = openRoom(parameter("room", "theatre"), {
  signalling: parameter("signalling", "http://localhost:8787"),
  secret: location.hash,
  // The browsers alone hold the room.
  shape: "tabs",
});
showConnection(client, element("connection"));
name.value = localStorage.getItem("name") ?? `Guest ${crypto.randomUUID().slice(0, 4)}`;
name.addEventListener("change", () => localStorage.setItem("name", name.value));

const seats = new Seats(client, personId());
const grid = new SeatGrid(element("seats"), seats.person, (seat) => void click(seat));
const live = seats.live();
live.subscribe(() => grid.show(live.getSnapshot()));
client.room.admitted.then(
  () => {
    element("share").hidden = client.room.isOpen;
    (element("link") as HTMLAnchorElement).href = client.room.link ?? "";
  },
  (error: unknown) => say(messageOf(error)),
);

async function click(seat: string): Promise<void> {
  const holder = live.get(seat);
  try {
    if (holder === undefined) {
      const { created, entry } = await seats.take(seat, name.value.trim() || "Somebody");
      say(created ? `${seat} is yours.` : `${entry.value.name} was faster: ${seat} is taken.`);
    } else if (holder.value.person === seats.person) {
      await seats.giveBack(holder);
      say(`${seat} is free again.`);
    } else {
      say(`${seat} is ${holder.value.name}'s.`);
    }
  } catch (error) {
    say(`Nothing was changed for sure: ${messageOf(error)}`);
  }
}

/** A person is one browser profile: its seats stay its own when the page is opened again. */
function personId(): string {
  const known = localStorage.getItem("person");
  if (known !== null) return known;
  const id = crypto.randomUUID();
  localStorage.setItem("person", id);
  return id;
}
