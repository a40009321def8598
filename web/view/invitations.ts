/** Makes invitations to the room, shows the link of a new one once, and lists those that were made. */
import { countOf } from "../model/bytes-text.ts";
import type { Invited, InvitationForm, Inviting } from "../model/inviting.ts";
import { ask } from "./confirm-dialog.ts";
import { copyRow } from "./copy-row.ts";
import { h, KeyedRows, setText } from "./dom.ts";
import type { Row } from "./dom.ts";
import type { Part } from "./header.ts";

const HOURS = 3_600_000;
const TIMES: readonly (readonly [label: string, ms: number])[] = [
  ["an hour", HOURS],
  ["a day", 24 * HOURS],
  ["a week", 7 * 24 * HOURS],
  ["30 days", 30 * 24 * HOURS],
];
const LIST_EVERY_MS = 2_000;
const NEW_TEXT =
  "The link is shown once and stored nowhere. Whoever has it comes in by it, until it is used up, expired or revoked.";

export function invitationsPart(inviting: Inviting): Part {
  const body = h("tbody");
  const status = h("p", { class: "muted small", role: "status" });
  const fresh = h("div", { class: "share" });
  const rows = new KeyedRows<Invited>(body, ({ id }) => id, invitedRow(inviting, status));
  const table = h(
    "table",
    { class: "members invitations", "aria-labelledby": "invitations-title" },
    h(
      "thead",
      {},
      h("tr", {}, ...["They may", "State"].map((name) => h("th", { scope: "col" }, name)), hiddenHead("Revoke")),
    ),
    body,
  );
  const form = inviteForm(async (wanted) => {
    setText(status, "Making an invitation…");
    try {
      const link = await inviting.invite(wanted);
      fresh.replaceChildren(...copyRow("invitation", link, NEW_TEXT));
      setText(status, "The invitation was made. Its link is below.");
      fresh.querySelector("input")?.focus();
    } catch (error) {
      setText(status, `No invitation was made: ${error instanceof Error ? error.message : String(error)}.`);
    }
    await list();
  });
  const list = async (): Promise<void> => {
    try {
      const made = await inviting.list();
      rows.show(made);
      table.hidden = made.length === 0;
    } catch {
      table.hidden = true;
    }
  };
  const element = h(
    "section",
    { class: "panel", "aria-labelledby": "invitations-title" },
    h("h2", { id: "invitations-title" }, "Invitations"),
    form,
    status,
    fresh,
    table,
  );
  let listedMs = -Infinity;
  table.hidden = true;
  return {
    element,
    show() {
      // A guest has nothing to invite to.
      element.hidden = !inviting.mayInvite();
      if (element.hidden || performance.now() - listedMs < LIST_EVERY_MS) return;
      listedMs = performance.now();
      void list();
    },
  };
}

function inviteForm(make: (wanted: InvitationForm) => Promise<void>): HTMLElement {
  const role = h(
    "select",
    { id: "invite-role" },
    h("option", { value: "reader" }, "read only"),
    h("option", { value: "member" }, "read and write"),
  );
  const uses = h("input", { id: "invite-uses", type: "number", min: 1, max: 1_000, value: 1, required: true });
  const time = h(
    "select",
    { id: "invite-time" },
    ...TIMES.map(([label, ms]) => h("option", { value: ms, selected: label === "a week" }, label)),
  );
  let isMaking = false;
  const form = h(
    "form",
    { class: "invite-form" },
    h("span", { class: "invite-field" }, h("label", { for: "invite-role", class: "muted" }, "They may"), role),
    h("span", { class: "invite-field" }, h("label", { for: "invite-uses", class: "muted" }, "Browsers"), uses),
    h("span", { class: "invite-field" }, h("label", { for: "invite-time", class: "muted" }, "For"), time),
    h("button", { type: "submit" }, "Make an invitation"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // A disabled button would lose the keyboard focus.
    if (isMaking) return;
    isMaking = true;
    const wanted = {
      role: role.value === "member" ? "member" : "reader",
      uses: Number(uses.value),
      expires: new Date(Date.now() + Number(time.value)),
    } as const;
    void make(wanted).finally(() => {
      isMaking = false;
    });
  });
  return form;
}

function invitedRow(inviting: Inviting, status: HTMLElement): (first: Invited) => Row<Invited> {
  return (first) => {
    const [role, state] = [h("td"), h("td")];
    const name = `the invitation to ${rightsOf(first)} until ${timeText(first.expires)}`;
    const end = h("button", { type: "button", class: "link", "aria-label": `Revoke ${name}` }, "Revoke");
    const revoke = async (): Promise<void> => {
      const question = { title: "Revoke the invitation?", text: REVOKE_TEXT, yes: "Revoke" };
      if (!(await ask(question))) return;
      try {
        await inviting.revoke(first.id);
        setText(status, "The invitation was revoked.");
      } catch (error) {
        setText(status, `Not revoked: ${error instanceof Error ? error.message : String(error)}.`);
      }
    };
    end.addEventListener("click", () => void revoke());
    return {
      element: h("tr", {}, role, state, h("td", { class: "number" }, end)),
      update(invited) {
        setText(role, rightsOf(invited));
        setText(state, stateText(invited));
        end.hidden = invited.state !== "open";
      },
    };
  };
}

const REVOKE_TEXT =
  "Nobody comes in by its link any more. Members that came in by it stay: whoever is not to stay has to be removed as well.";

function rightsOf({ role }: Pick<Invited, "role">): string {
  return role === "reader" ? "read only" : "read and write";
}

function hiddenHead(name: string): HTMLElement {
  return h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, name));
}

function stateText({ state, usesLeft, expires, members }: Invited): string {
  const came = members.length === 0 ? "" : `, ${countOf(members.length, "member")} by it`;
  if (state === "open") return `for ${countOf(usesLeft, "browser")} until ${timeText(expires)}${came}`;
  return `${state === "used" ? "used up" : state}${came}`;
}

function timeText(time: Date): string {
  return time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
