/** Shows the upload of a folder: a question first, then a progress bar that stays in view, then the result. */
import { unreachable } from "../../src/base/assert.ts";
import type { Client } from "../../src/client/client.ts";
import { countOf, numberText, sizeText } from "../model/bytes-text.ts";
import { Upload } from "../model/upload.ts";
import { h, setText } from "./dom.ts";
import { chosenFolder, droppedFolder } from "./folder.ts";
import type { Folder } from "./folder.ts";

export interface UploadPanel {
  readonly element: HTMLElement;
  /** Opens the browser's chooser for a folder. */
  choose(): void;
  show(): void;
}

export function uploadPanel(client: Client, redraw: () => void, mayPut: () => boolean): UploadPanel {
  let upload: Upload | undefined;
  const start = (folder: Folder): void => {
    if (upload?.state === "running" || !mayPut()) return;
    askForFolder(folder, (prefix) => {
      const files = folder.files.map((file) => ({ ...file, key: prefix + file.key }));
      upload = new Upload(client.kv, files, redraw);
      void upload.run();
      redraw();
    });
  };
  const input = h("input", {
    type: "file",
    webkitdirectory: true,
    multiple: true,
    hidden: true,
    "aria-label": "Folder",
  });
  input.addEventListener("change", () => {
    if (input.files !== null && input.files.length > 0) start(chosenFolder(input.files));
    input.value = "";
  });
  takeDrops(start);
  const bar = progressBar(
    () => upload?.cancel(),
    () => {
      upload = undefined;
      redraw();
    },
  );
  return {
    element: h("div", {}, input, bar.element),
    choose: () => input.click(),
    show: () => bar.show(upload),
  };
}

interface ProgressBar {
  readonly element: HTMLElement;
  show(upload: Upload | undefined): void;
}

function progressBar(cancel: () => void, close: () => void): ProgressBar {
  const bar = h("progress", { max: 1, "aria-label": "Files put" });
  const text = h("p", { class: "number" });
  const spoken = h("p", { class: "visually-hidden", role: "status" });
  const failures = h("ul", { class: "failures mono small" });
  const details = h("details", {}, h("summary", {}, "What failed, and why"), failures);
  const button = h("button", { type: "button" });
  const element = h(
    "section",
    { class: "upload", "aria-label": "Folder" },
    h("div", { class: "upload-row" }, bar, button),
    text,
    spoken,
    details,
  );
  let act = cancel;
  let shownFailures = -1;
  button.addEventListener("click", () => act());
  return {
    element,
    show(upload) {
      element.hidden = upload === undefined;
      document.body.classList.toggle("with-upload", upload !== undefined);
      if (upload === undefined) return;
      const isRunning = upload.state === "running";
      bar.value = upload.totalFiles === 0 ? 1 : upload.doneFiles / upload.totalFiles;
      element.dataset["state"] = upload.state;
      setText(text, progressText(upload));
      setText(spoken, isRunning ? "Putting files." : progressText(upload));
      setText(button, isRunning ? "Cancel" : "Close");
      act = isRunning ? cancel : close;
      details.hidden = upload.failedFiles === 0;
      if (upload.failures.length === shownFailures) return;
      shownFailures = upload.failures.length;
      failures.replaceChildren(...upload.failures.map(({ key, reason }) => h("li", {}, `${key}: ${reason}`)));
    },
  };
}

function progressText(upload: Upload): string {
  const { doneFiles, doneBytes, failedFiles, putBytes, totalBytes, totalFiles, trouble } = upload;
  const put = doneFiles - failedFiles;
  const failed = failedFiles === 0 ? "" : `, ${numberText(failedFiles)} failed`;
  const waiting = trouble === undefined ? "" : ` ${trouble}`;
  switch (upload.state) {
    case "running":
      return `${numberText(doneFiles)} of ${countOf(totalFiles, "file")}, ${sizeText(doneBytes)} of ${sizeText(totalBytes)}${failed}.${waiting}`;
    case "done":
      return `Done: ${countOf(put, "file")} put, ${sizeText(putBytes)}${failed}.`;
    case "cancelled":
      return `Cancelled: ${countOf(put, "file")} of ${numberText(totalFiles)} put${failed}.`;
    case "broken":
      return `Broken off: ${countOf(put, "file")} of ${numberText(totalFiles)} put${failed}.${waiting}`;
    default:
      return unreachable(upload.state);
  }
}

/** Asks first: a folder goes to everybody in the cluster, and may have been dropped by mistake. */
function askForFolder(folder: Folder, put: (prefix: string) => void): void {
  const bytes = folder.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const prefix = h("input", {
    id: "key-prefix",
    class: "mono",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "none",
  });
  const sample = h("p", { class: "mono small sample" });
  const showSample = (): void => setText(sample, `${prefix.value}${folder.files[0]?.key ?? ""}`);
  prefix.addEventListener("input", showSample);
  showSample();
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h(
    "form",
    {},
    h("h2", {}, `Put ${folder.name}`),
    h(
      "p",
      {},
      `${countOf(folder.files.length, "file")}, ${sizeText(bytes)}: each becomes a key that every member gets. Keys of the same name are overwritten.`,
    ),
    h("label", { for: "key-prefix" }, "Prefix for the keys"),
    prefix,
    h("p", { class: "muted small" }, "The first key:"),
    sample,
    h(
      "div",
      { class: "buttons" },
      cancel,
      h("button", { type: "submit", class: "primary", autofocus: true }, "Put files"),
    ),
  );
  const dialog = h("dialog", { class: "dialog narrow", "aria-label": `Put ${folder.name}` }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    put(prefix.value);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Accepts a drop anywhere on the page. */
function takeDrops(start: (folder: Folder) => void): void {
  let depth = 0;
  const hover = (change: number): void => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files") === true) hover(1);
  });
  addEventListener("dragleave", () => hover(-1));
  addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files") === true) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    hover(-Infinity);
    if (event.dataTransfer?.types.includes("Files") !== true) return;
    event.preventDefault();
    droppedFolder(event.dataTransfer).then(start, () => {
      // The folder is gone or may not be read: there is nothing to put.
    });
  });
}
