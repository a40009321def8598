/**
 * Shows bytes to people. Keys and values are bytes; most are text. Those that are not must not look like text. A
 * preview reads only the first bytes, so that a large value does not freeze the page.
 */

export interface Shown {
  readonly type: "text" | "binary" | "empty";
  readonly text: string;
}

const PREVIEW_BYTES = 256;
const HEX_BYTES = 12;
// All controls but tab, line feed and carriage return.
// oxlint-disable-next-line no-control-regex -- controls are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;
const NUMBER: Intl.NumberFormat = new Intl.NumberFormat("en");

/** Decodes text. Returns undefined if the text, written back, would not be the same bytes. */
export function textOf(bytes: Uint8Array): string | undefined {
  const text = decoded(bytes, false);
  return text === undefined || CONTROL.test(text) ? undefined : text;
}

/** Describes a value in one line; of a long value it shows the beginning. */
export function previewOf(bytes: Uint8Array): Shown {
  if (bytes.length === 0) return { type: "empty", text: "empty" };
  // The preview may end within a character; that alone does not make the value binary.
  const text = decoded(bytes.subarray(0, PREVIEW_BYTES), bytes.length > PREVIEW_BYTES);
  if (text !== undefined && !CONTROL.test(text)) return { type: "text", text: text.replaceAll(/\s+/g, " ") };
  const more = bytes.length > HEX_BYTES ? " …" : "";
  return {
    type: "binary",
    text: `binary, ${countOf(bytes.length, "byte")}: ${hexOf(bytes.subarray(0, HEX_BYTES))}${more}`,
  };
}

/** Shows a whole key. Two keys never look the same: one that is not text is shown as hex. */
export function keyText(key: Uint8Array): string {
  return textOf(key) ?? `0x${hexOf(key).replaceAll(" ", "")}`;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Decodes hex. Returns undefined for other text. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/\s+/g, "");
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function numberText(value: number): string {
  return NUMBER.format(value);
}

export function countOf(count: number, unit: string): string {
  return `${numberText(count)} ${unit}${count === 1 ? "" : "s"}`;
}

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const inMebibytes = bytes >= 1024 * 1024;
  const value = bytes / (inMebibytes ? 1024 * 1024 : 1024);
  return `${value < 99.95 ? value.toFixed(1) : numberText(Math.round(value))} ${inMebibytes ? "MiB" : "KiB"}`;
}

function decoded(bytes: Uint8Array, mayBeCut: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: mayBeCut });
  } catch {
    return undefined;
  }
}
