/** Puts the parts on the page and keeps them up to date, with at most one drawing a frame. */
import type { KeyValue } from "../../src/client/common/types.ts";
import { keyText } from "../model/bytes-text.ts";
import { deleteGuarded } from "../model/edits.ts";
import { followAll } from "../model/follow.ts";
import { KeyList } from "../model/key-list.ts";
import type { PageSource } from "../model/page-source.ts";
import { ask } from "./confirm-dialog.ts";
import { h, drawing } from "./dom.ts";
import { eventsPart } from "./events.ts";
import { factsPart, headerPart, standingPart } from "./header.ts";
import { openKeyDialog } from "./key-dialog.ts";
import type { KeyDialog } from "./key-dialog.ts";
import { invitationsPart } from "./invitations.ts";
import { keysPart } from "./keys.ts";
import { membersPart } from "./members.ts";
import { uploadPanel } from "./upload-panel.ts";

export function showPage(root: HTMLElement, mode: "edge" | "room", source: PageSource): void {
  const { client, serializable, refreshMs } = source;
  const { now, soon } = drawing(() => draw());
  const shown = [headerPart(mode, source), standingPart(), factsPart(), membersPart(source)] as const;
  const [header, standing, facts, members] = shown;
  const invitations = source.inviting === undefined ? [] : [invitationsPart(source.inviting)];
  const parts = [...shown, ...invitations];
  const readOnly = (): string | undefined => source.situation().readOnly;
  const events = eventsPart(now);
  const upload = uploadPanel(client, soon, () => readOnly() === undefined);
  let dialog: KeyDialog | undefined;
  const open = (kv: KeyValue | undefined): void => {
    const onClose = (): void => {
      dialog = undefined;
    };
    dialog = openKeyDialog({
      client,
      kv,
      readOnly: readOnly(),
      onClose,
      onDelete: (deleted) => void askAndDelete(source, deleted),
    });
  };
  const keys = keysPart({
    makeList: (onChange) => new KeyList({ client, serializable, refreshMs, onChange }),
    redraw: now,
    onOpen: open,
    onNew: () => open(undefined),
    onDelete: (kv) => void askAndDelete(source, kv),
    onFolder: () => upload.choose(),
  });
  const draw = (): void => {
    const situation = source.situation();
    for (const part of parts) part.show(situation);
    keys.list.changed(situation.revision);
    keys.show(situation.readOnly);
    events.show();
    upload.show();
  };

  const body = columns(keys, [members, ...invitations, events]);
  put(root, [header, standing, facts, { element: body }], upload);
  source.subscribe(soon);
  draw();
  const follow = {
    onEvents: (news: Parameters<typeof events.log.add>[0], revision: number): void => {
      events.log.add(news);
      dialog?.onEvents(news);
      // A hidden page reads again when it is visible.
      if (!document.hidden) keys.list.changed(revision);
      soon();
    },
    onGap: soon,
  };
  void source.opened.then(() => keys.list.first());
  client.ready.then(
    () => followAll(client, follow),
    () => {
      // The source stopped before it was ready, and the page says why.
    },
  );
}

function put(root: HTMLElement, parts: readonly Element[], upload: Element): void {
  root.replaceChildren(
    h("div", { class: "page" }, ...parts.map(({ element }) => element)),
    upload.element,
    h(
      "div",
      { class: "drop-hint", "aria-hidden": "true" },
      h("p", {}, "Drop a folder: each of its files becomes a key."),
    ),
  );
}

type Element = { readonly element: HTMLElement };

function columns(keys: Element, others: readonly Element[]): HTMLElement {
  return h(
    "main",
    { class: "columns" },
    h("div", { class: "column wide" }, keys.element),
    h("div", { class: "column" }, ...others.map(({ element }) => element)),
  );
}

async function askAndDelete({ client }: PageSource, kv: KeyValue): Promise<void> {
  const name = keyText(kv.key);
  const question = { title: "Delete this key?", text: name, yes: "Delete" };
  if (!(await ask(question))) return;
  try {
    const outcome = await deleteGuarded(client, kv.key, kv.modRevision);
    if (outcome.type === "done" || outcome.now === undefined) return;
    const text = `Somebody else has changed ${name} meanwhile (revision ${outcome.now.modRevision}). It was not deleted.`;
    if (await ask({ title: "Delete it all the same?", text, yes: "Delete" })) {
      await client.kv.deleteRange(kv.key);
    }
  } catch (error) {
    const text = `${name} was not deleted: ${error instanceof Error ? error.message : String(error)}.`;
    await ask({ title: "Not deleted", text, yes: "Good", isDanger: false });
  }
}
