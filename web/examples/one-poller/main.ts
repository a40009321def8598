/** Exchange rates that one tab polls for all. */
import { connect } from "quorate";
import { element, messageOf, parameter } from "../common/page.ts";
import { showConnection } from "../common/show-connection.ts";
import "../common/style.css";
import { keepPolling } from "./poller.ts";
import { ELECTION, RATES, type Rate } from "./rates.ts";

const client = connect({ endpoint: parameter("endpoint", "http://localhost:8787") });
const me = `tab ${crypto.randomUUID().slice(0, 4)}`;
element("me").textContent = me;
showConnection(client, element("connection"));

const live = client.namespace<Rate>(RATES).live();
const showRates = (): void => {
  element("rates").replaceChildren(...[...live.entries.values()].map(({ key, value }) => row(key, value)));
  element("age").textContent = live.isStale ? "These may be old: nothing newer can be read now." : "";
};
live.subscribe(showRates);
showRates();

void keepPolling(client, {
  me,
  api: parameter("api", "http://localhost:8788/rates"),
  pauseMs: Number(parameter("pause", "5000")),
  say: (text) => {
    element("said").textContent = text;
  },
});
void showLeader();

/** Observes the election for as long as the page is there. */
async function showLeader(): Promise<void> {
  for (;;) {
    try {
      for await (const { value } of client.elect(ELECTION).observe()) {
        element("leader").textContent = value === me ? "It polls for all." : `${value} polls for all.`;
      }
    } catch (error) {
      element("leader").textContent = `Who polls is not known now: ${messageOf(error)}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function row(currency: string, { rate, by }: Rate): HTMLTableRowElement {
  const tr = document.createElement("tr");
  const th = document.createElement("th");
  th.scope = "row";
  th.textContent = currency;
  const cells = [rate.toFixed(4), by].map((text) => {
    const td = document.createElement("td");
    td.textContent = text;
    return td;
  });
  cells[0]?.classList.add("number");
  tr.append(th, ...cells);
  return tr;
}
