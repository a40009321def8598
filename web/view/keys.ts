/** Shows the keys, a page at a time: to filter, open, delete and page through. */
import { numberText, countOf, keyText, previewOf } from "../model/bytes-text.ts";
import type { KeyList, KeyPage } from "../model/key-list.ts";
import type { KeyValue } from "../../src/client/common/types.ts";
import { bytesToLatin1 } from "../../src/base/bytes.ts";
import { h, icon, KeyedRows, setAttribute, setText } from "./dom.ts";
import type { Row } from "./dom.ts";

export interface KeysPartOptions {
  readonly makeList: (onChange: () => void) => KeyList;
  readonly redraw: () => void;
  readonly onOpen: (kv: KeyValue) => void;
  readonly onNew: () => void;
  readonly onDelete: (kv: KeyValue) => void;
  readonly onFolder: () => void;
}

export interface KeysPart {
  readonly element: HTMLElement;
  readonly list: KeyList;
  /** `readOnly`: why nothing can be changed. */
  show(readOnly?: string): void;
}

const FILTER_AFTER_MS = 150;
const FLASHES_MAX = 3;

export function keysPart(options: KeysPartOptions): KeysPart {
  const list = options.makeList(options.redraw);
  const body = h("tbody", { role: "rowgroup" });
  const changed: HTMLElement[] = [];
  const rows = new KeyedRows<KeyValue>(
    body,
    ({ key }) => bytesToLatin1(key),
    (kv) => keyRow(kv, options, changed),
  );
  const range = h("p", { class: "muted number", role: "status" });
  const empty = h("p", { class: "empty muted" });
  const reason = h("p", { class: "read-only-note", id: "read-only", role: "note" });
  const turns = turnButtons(list);
  const filter = filterField(list);
  const create = h(
    "button",
    { type: "button", class: "primary with-icon", onclick: options.onNew },
    icon("plus"),
    "New key",
  );
  const folder = h(
    "button",
    { type: "button", class: "with-icon", onclick: options.onFolder },
    icon("folder"),
    "Put a folder",
  );
  const element = h(
    "section",
    { class: "panel keys-panel", "aria-labelledby": "keys-title" },
    h("div", { class: "panel-head" }, h("h2", { id: "keys-title" }, "Keys"), filter, create, folder),
    reason,
    h("table", { class: "keys", role: "table", "aria-labelledby": "keys-title" }, tableHead(), body),
    empty,
    h("div", { class: "panel-foot" }, range, turns.element),
  );
  return {
    element,
    list,
    show(readOnly) {
      const { page, error } = list;
      setText(reason, readOnly ?? "");
      reason.hidden = readOnly === undefined;
      setAttribute(element, "data-read-only", readOnly === undefined ? undefined : "");
      rows.show(page?.kvs ?? []);
      // A few changed rows are highlighted; of many none is.
      const news = changed.splice(0);
      if (news.length <= FLASHES_MAX) for (const row of news) flash(row);
      setText(range, rangeText(page, error));
      setText(empty, emptyText(page, filterValue(filter), readOnly !== undefined));
      empty.hidden = empty.textContent === "";
      turns.show(page);
      // Without a source there is no list to read.
      for (const button of [create, folder]) {
        button.disabled = page === undefined || readOnly !== undefined;
        setAttribute(button, "aria-describedby", readOnly === undefined ? undefined : "read-only");
      }
    },
  };
}

function tableHead(): HTMLElement {
  const names = ["Key", "Value", "Revision", "Created", "Version", "Actions"];
  const cells = names.map((name, at) => {
    const isHidden = name === "Actions";
    const attributes = { role: "columnheader", scope: "col", class: at > 1 && !isHidden ? "number" : "" };
    return h("th", attributes, isHidden ? h("span", { class: "visually-hidden" }, name) : name);
  });
  return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...cells));
}

/** Rows whose value has changed are added to `changed`. */
function keyRow(first: KeyValue, { onOpen, onDelete }: KeysPartOptions, changed: HTMLElement[]): Row<KeyValue> {
  let kv = first;
  const name = keyText(first.key);
  const value = h("td", { role: "cell", class: "mono cell-value" });
  const number = (label: string): HTMLElement => h("td", { role: "cell", class: "number", "data-label": label });
  const [revision, created, version] = [number("rev"), number("created"), number("v")];
  const open = h("button", { type: "button", class: "link mono", title: name, onclick: () => onOpen(kv) }, name);
  const edit = h(
    "button",
    { type: "button", class: "quiet", "aria-label": `Edit ${name}`, title: "Edit" },
    icon("edit"),
  );
  const remove = h("button", { type: "button", class: "quiet", "aria-label": `Delete ${name}`, title: "Delete" });
  edit.addEventListener("click", () => onOpen(kv));
  remove.addEventListener("click", () => onDelete(kv));
  remove.append(icon("delete"));
  const element = h(
    "tr",
    { role: "row", "data-key": name },
    h("th", { role: "rowheader", scope: "row", class: "cell-key" }, open),
    value,
    revision,
    created,
    version,
    h("td", { role: "cell", class: "cell-actions" }, edit, remove),
  );
  return {
    element,
    update(next) {
      const isChange = next.modRevision !== kv.modRevision;
      kv = next;
      const shown = previewOf(next.value);
      setText(value, shown.text);
      setAttribute(value, "data-shown", shown.type);
      setText(revision, numberText(next.modRevision));
      setText(created, numberText(next.createRevision));
      setText(version, numberText(next.version));
      if (isChange) changed.push(element);
    },
  };
}

/** Marks the row as changed; the style sheet decides how it looks. */
function flash(element: HTMLElement): void {
  element.classList.remove("changed");
  // Reading a layout value restarts the animation: the browser sees the class removed first.
  void element.offsetWidth;
  element.classList.add("changed");
}

function filterField(list: KeyList): HTMLElement {
  const input = h("input", {
    id: "prefix",
    type: "search",
    placeholder: "all keys",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => list.setPrefix(input.value), FILTER_AFTER_MS);
  });
  return h("div", { class: "filter" }, h("label", { for: "prefix", class: "muted" }, "Prefix"), input);
}

function filterValue(filter: HTMLElement): string {
  return filter.querySelector("input")?.value ?? "";
}

function turnButtons(list: KeyList): { readonly element: HTMLElement; show(page: KeyPage | undefined): void } {
  const button = (name: "first" | "previous" | "next", label: string, turn: () => void): HTMLButtonElement =>
    h("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick: turn }, icon(name));
  const first = button("first", "First page", () => list.first());
  const previous = button("previous", "Previous page", () => list.previous());
  const next = button("next", "Next page", () => list.next());
  return {
    element: h("div", { class: "turns" }, first, previous, next),
    show(page) {
      first.disabled = page?.hasPrevious !== true;
      previous.disabled = page?.hasPrevious !== true;
      next.disabled = page?.hasNext !== true;
    },
  };
}

function rangeText(page: KeyPage | undefined, error: string | undefined): string {
  const trouble = error === undefined ? "" : `Not up to date: ${error}. `;
  if (page === undefined) return trouble;
  const at = `revision ${numberText(page.revision)}`;
  if (page.kvs.length === 0) return `${trouble}No keys at ${at}`;
  const from = numberText(page.skipped + 1);
  const to = numberText(page.skipped + page.kvs.length);
  return `${trouble}${from} to ${to} of ${countOf(page.total, "key")} at ${at}`;
}

function emptyText(page: KeyPage | undefined, prefix: string, isReadOnly: boolean): string {
  if (page === undefined || page.kvs.length > 0) return "";
  if (prefix !== "") return "No key begins with this prefix.";
  if (isReadOnly) return "There are no keys yet.";
  return "There are no keys yet. Put one, or drop a folder anywhere on this page.";
}
