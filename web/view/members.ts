/** Shows the members of the cluster, their roles, and how far each is behind. */
import type { Client } from "../../src/client/client.ts";
import { sizeText } from "../model/bytes-text.ts";
import type { PageSource } from "../model/page-source.ts";
import { UNKNOWN } from "../model/situation.ts";
import type { MemberRow } from "../model/situation.ts";
import { ask } from "./confirm-dialog.ts";
import { copyRow } from "./copy-row.ts";
import { h, KeyedRows, setAttribute, setText } from "./dom.ts";
import type { Row } from "./dom.ts";
import type { Part } from "./header.ts";

export function membersPart({ share, client, restore }: Pick<PageSource, "share" | "client" | "restore">): Part {
  const body = h("tbody");
  const rows = new KeyedRows<MemberRow>(body, ({ id }) => id, memberRow);
  // The leader may change in a room, and what is below must not move then.
  const hint = h("p", { class: share === undefined ? "muted small" : "muted small reserved" });
  const element = h(
    "section",
    { class: "panel", "aria-labelledby": "members-title" },
    h("h2", { id: "members-title" }, "Members"),
    h(
      "table",
      { class: "members" },
      h("thead", {}, h("tr", {}, ...["Name", "Role", "Lag"].map((name) => h("th", { scope: "col" }, name)))),
      body,
    ),
    hint,
    snapshotPart(client),
    ...(restore === undefined ? [] : [restorePart(restore)]),
    ...(share === undefined ? [] : [h("div", { class: "share" }, ...copyRow("share", share.link, share.text))]),
  );
  return {
    element,
    show({ members }) {
      rows.show(members);
      const isUnknown = members.some(({ lag, present }) => lag === UNKNOWN && present !== false);
      setText(
        hint,
        members.length === 0 ? "None is known yet." : isUnknown ? "How far others lag is known at the leader." : "",
      );
    },
  };
}

function memberRow(): Row<MemberRow> {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const name = h("span", { class: "mono" });
  const self = h("span", { class: "muted small" });
  const trouble = h("span", { class: "trouble small" });
  const role = h("td");
  const lag = h("td", { class: "number" });
  const presence = h("span", { class: "visually-hidden" });
  const first = h("td", {}, dot, name, " ", self, presence, trouble);
  const element = h("tr", {}, first, role, lag);
  return {
    element,
    update(member) {
      const tone = member.present === undefined ? "plain" : member.present ? "good" : "bad";
      setAttribute(dot, "data-tone", tone);
      setText(presence, member.present === false ? "not reachable" : "");
      setText(name, member.name);
      setAttribute(name, "title", `member ${member.id}`);
      setText(self, member.isSelf ? "this browser" : "");
      setText(trouble, member.trouble ?? "");
      setText(role, member.role === "unknown" ? UNKNOWN : `${member.role}${invitedText(member)}`);
      setAttribute(role, "data-role", member.role);
      setText(lag, member.lag);
    },
  };
}

function invitedText({ invited }: MemberRow): string {
  if (invited === undefined) return "";
  return invited === "reader" ? ", reads only" : ", guest";
}

/** Downloads all data as a file: from this tab's own replica in a room, else from the member that answers. */
function snapshotPart(client: Client): HTMLElement {
  const done = h("span", { class: "muted small", role: "status" });
  const button = h("button", { type: "button" }, "Save a snapshot");
  let isSaving = false;
  const save = async (): Promise<void> => {
    // A disabled button would lose the keyboard focus.
    if (isSaving) return;
    isSaving = true;
    setText(done, "Saving…");
    try {
      const parts: BlobPart[] = [];
      for await (const part of client.maintenance.snapshot()) parts.push(part as Uint8Array<ArrayBuffer>);
      const file = new Blob(parts);
      const url = URL.createObjectURL(file);
      h("a", { href: url, download: "quorate-snapshot.db" }).click();
      setText(done, `Saved: ${sizeText(file.size)}.`);
      // The download has begun by then.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      setText(done, `Not saved: ${error instanceof Error ? error.message : String(error)}.`);
    } finally {
      isSaving = false;
    }
  };
  button.addEventListener("click", () => void save());
  return h("p", { class: "action" }, button, " ", done);
}

const RESTORE_WARNING =
  "The room begins anew, with the keys of the file and without all others. This tab is its only member: the other ones keep " +
  "their copies of the old room to themselves, are told so, and may join as new members.";

/** For what no other member has any more, and for a room that is to begin with what another cluster held. */
function restorePart(restore: (snapshot: Blob) => Promise<void>): HTMLElement {
  const done = h("span", { class: "muted small", role: "status" });
  const input = h("input", { type: "file", id: "restore", class: "visually-hidden", tabindex: "-1" });
  const button = h("button", { type: "button", onclick: () => input.click() }, "Restore a snapshot…");
  const begin = async (): Promise<void> => {
    const [file] = input.files ?? [];
    input.value = "";
    const question = { title: "Replace all keys?", text: RESTORE_WARNING, yes: "Restore" };
    if (file === undefined || !(await ask(question))) return;
    setText(done, "Restoring…");
    try {
      await restore(file);
      setText(done, `Restored: ${file.name}.`);
    } catch (error) {
      setText(done, `Not restored: ${error instanceof Error ? error.message : String(error)}.`);
    }
  };
  input.addEventListener("change", () => void begin());
  const label = h("label", { for: "restore", class: "visually-hidden" }, "A snapshot to restore");
  return h("p", { class: "action" }, button, label, input, " ", done);
}
