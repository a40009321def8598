/**
 * Shows one key, to be read, changed or deleted. A save is guarded by the revision that was read: if the key has changed
 * since, nothing is written, the dialog says so, and the user decides.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import type { Client } from "../../src/client/client.ts";
import type { KeyValue, WatchEvent } from "../../src/client/common/types.ts";
import { bytesOfHex, countOf, hexOf, keyText, numberText, sizeText, textOf } from "../model/bytes-text.ts";
import { putGuarded } from "../model/edits.ts";
import type { EditOutcome } from "../model/edits.ts";
import { h, setText } from "./dom.ts";

export interface KeyDialog {
  /** Tells the dialog what happens to keys while it is open. */
  onEvents(events: readonly WatchEvent[]): void;
}

export interface KeyDialogOptions {
  readonly client: Client;
  /** Undefined for a new key. */
  readonly kv: KeyValue | undefined;
  /** Why it cannot be changed. */
  readonly readOnly?: string | undefined;
  readonly onDelete: (kv: KeyValue) => void;
  readonly onClose: () => void;
}

/** The largest value that is edited in the text field, in bytes; more would make the field slow. */
const EDITABLE_BYTES = 256 * 1024;

export function openKeyDialog(options: KeyDialogOptions): KeyDialog {
  const dialog = new OpenDialog(options);
  return dialog;
}

class OpenDialog implements KeyDialog {
  readonly #options: KeyDialogOptions;
  #kv: KeyValue | undefined;
  #isSaving = false;
  readonly #key: HTMLInputElement = h("input", {
    id: "edit-key",
    class: "mono",
    required: true,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  readonly #value: HTMLTextAreaElement = h("textarea", {
    id: "edit-value",
    class: "mono",
    rows: 10,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  readonly #asText: HTMLInputElement = h("input", { type: "radio", name: "form", id: "as-text" });
  readonly #asHex: HTMLInputElement = h("input", { type: "radio", name: "form", id: "as-hex" });
  readonly #facts: HTMLElement = h("dl", { class: "key-facts" });
  readonly #note: HTMLElement = h("p", { class: "muted small" });
  readonly #readOnly: HTMLElement = h("p", { class: "read-only-note", role: "note" });
  readonly #problem: HTMLElement = h("div", { class: "problem", role: "alert" });
  readonly #save: HTMLButtonElement = h("button", { type: "submit", class: "primary" }, "Save");
  readonly #delete: HTMLButtonElement = h("button", { type: "button", class: "danger" }, "Delete");
  readonly #dialog: HTMLDialogElement;

  constructor(options: KeyDialogOptions) {
    this.#options = options;
    this.#dialog = this.#build();
    document.body.append(this.#dialog);
    this.#show(options.kv);
    this.#dialog.showModal();
    if (options.kv === undefined) this.#key.focus();
    else this.#value.focus();
    this.#value.setSelectionRange(0, 0);
  }

  onEvents(events: readonly WatchEvent[]): void {
    const seen = this.#kv;
    if (seen === undefined || this.#isSaving) return;
    const news = events.filter(({ kv }) => kv.modRevision > seen.modRevision && equalBytes(kv.key, seen.key)).at(-1);
    if (news !== undefined) this.#tellChange(news.type === "PUT" ? news.kv : undefined);
  }

  #build(): HTMLDialogElement {
    const close = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h(
      "form",
      {},
      h("h2", { id: "edit-title" }, this.#options.kv === undefined ? "New key" : "Key"),
      h("label", { for: "edit-key" }, "Key"),
      this.#key,
      h(
        "div",
        { class: "value-head" },
        h("label", { for: "edit-value" }, "Value"),
        h("span", { class: "forms" }, this.#asText, h("label", { for: "as-text" }, "Text")),
        h("span", { class: "forms" }, this.#asHex, h("label", { for: "as-hex" }, "Hex")),
      ),
      this.#value,
      this.#note,
      this.#facts,
      this.#readOnly,
      this.#problem,
      h("div", { class: "buttons" }, this.#delete, h("span", { class: "spring" }), close, this.#save),
    );
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "edit-title" }, form);
    this.#listen(dialog, form);
    return dialog;
  }

  #listen(dialog: HTMLDialogElement, form: HTMLFormElement): void {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#saveNow();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      this.#options.onClose();
    });
    this.#value.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.#delete.addEventListener("click", () => {
      if (this.#kv === undefined) return;
      dialog.close();
      this.#options.onDelete(this.#kv);
    });
    this.#asText.addEventListener("change", () => this.#changeForm());
    this.#asHex.addEventListener("change", () => this.#changeForm());
  }

  #show(kv: KeyValue | undefined): void {
    this.#kv = kv;
    this.#problem.replaceChildren();
    const { readOnly } = this.#options;
    this.#delete.hidden = kv === undefined || readOnly !== undefined;
    this.#save.hidden = readOnly !== undefined;
    this.#value.readOnly = readOnly !== undefined;
    this.#readOnly.textContent = readOnly ?? "";
    this.#readOnly.hidden = readOnly === undefined;
    if (kv === undefined) {
      this.#asText.checked = true;
      return;
    }
    this.#key.value = keyText(kv.key);
    this.#key.readOnly = true;
    this.#showValue(kv.value);
    const facts: readonly (readonly [string, string])[] = [
      ["Revision", numberText(kv.modRevision)],
      ["Created", numberText(kv.createRevision)],
      ["Version", numberText(kv.version)],
      ["Size", sizeText(kv.value.length)],
      ...(kv.lease === "0" ? [] : [["Lease", kv.lease] as const]),
    ];
    this.#facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  #showValue(bytes: Uint8Array): void {
    const isLarge = bytes.length > EDITABLE_BYTES;
    const shown = isLarge ? bytes.subarray(0, EDITABLE_BYTES) : bytes;
    const text = textOf(bytes);
    const isText = text !== undefined;
    this.#asText.checked = isText;
    this.#asHex.checked = !isText;
    this.#asText.disabled = !isText;
    this.#value.value = isText ? text.slice(0, EDITABLE_BYTES) : hexOf(shown);
    this.#value.readOnly = isLarge;
    this.#save.disabled = isLarge;
    setText(this.#note, noteOf(bytes, isLarge, isText));
  }

  /** Converts what is in the field to the other form. */
  #changeForm(): void {
    const isHex = this.#asHex.checked;
    const bytes = isHex ? new TextEncoder().encode(this.#value.value) : bytesOfHex(this.#value.value);
    const text = bytes === undefined || isHex ? undefined : textOf(bytes);
    if (isHex && bytes !== undefined) this.#value.value = hexOf(bytes);
    else if (text !== undefined) this.#value.value = text;
    else {
      this.#asHex.checked = true;
      this.#say("These bytes are not text.");
      return;
    }
    this.#problem.replaceChildren();
  }

  async #saveNow(): Promise<void> {
    if (this.#isSaving || this.#save.disabled) return;
    const value = this.#asHex.checked ? bytesOfHex(this.#value.value) : new TextEncoder().encode(this.#value.value);
    if (value === undefined) return this.#say("Hex is two digits for each byte: 00 to ff.");
    await this.#put(value, this.#kv?.modRevision ?? 0);
  }

  async #put(value: Uint8Array, seenModRevision: number): Promise<void> {
    this.#setSaving(true);
    try {
      const key = this.#kv?.key ?? this.#key.value;
      const outcome = await putGuarded(this.#options.client, key, value, seenModRevision);
      if (outcome.type === "done") this.#dialog.close();
      else this.#tellRefusal(outcome, value);
    } catch (error) {
      this.#say(`Not saved: ${error instanceof Error ? error.message : String(error)}.`);
    } finally {
      this.#setSaving(false);
    }
  }

  #setSaving(isSaving: boolean): void {
    this.#isSaving = isSaving;
    this.#save.disabled = isSaving;
    setText(this.#save, isSaving ? "Saving" : "Save");
  }

  #tellRefusal({ now }: Extract<EditOutcome, { readonly type: "changed" }>, mine: Uint8Array): void {
    const overwrite = h(
      "button",
      { type: "button", class: "danger" },
      now === undefined ? "Put it again" : "Overwrite",
    );
    overwrite.addEventListener("click", () => void this.#put(mine, now?.modRevision ?? 0));
    const text =
      now === undefined
        ? "Somebody else has deleted this key meanwhile. Nothing was written."
        : `${this.#kv === undefined ? "This key exists already" : "Somebody else has changed this key meanwhile"} ` +
          `(revision ${numberText(now.modRevision)}). Nothing was written.`;
    this.#say(text, ...(now === undefined ? [] : [this.#loadButton(now)]), overwrite);
  }

  #tellChange(now: KeyValue | undefined): void {
    if (now === undefined) this.#say("Somebody else has just deleted this key.");
    else
      this.#say(
        `Somebody else has just changed this key (revision ${numberText(now.modRevision)}).`,
        this.#loadButton(now),
      );
  }

  #loadButton(now: KeyValue): HTMLElement {
    const load = h("button", { type: "button" }, "Show theirs");
    load.addEventListener("click", () => this.#show(now));
    return load;
  }

  #say(text: string, ...buttons: readonly HTMLElement[]): void {
    this.#problem.replaceChildren(
      h("p", {}, text),
      ...(buttons.length === 0 ? [] : [h("div", { class: "buttons" }, ...buttons)]),
    );
  }
}

function noteOf(bytes: Uint8Array, isLarge: boolean, isText: boolean): string {
  if (isLarge)
    return `Too large to edit here: ${countOf(bytes.length, "byte")}; the first ${sizeText(EDITABLE_BYTES)} are shown.`;
  return isText ? "" : `Binary, ${countOf(bytes.length, "byte")}.`;
}
