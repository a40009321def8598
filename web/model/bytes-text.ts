/**
 * Bytes as people read them. Keys and values are bytes; most are text, and those that are not must neither look like
 * text nor freeze the page: a preview looks at the first bytes only.
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

/** Undefined when the bytes are not text that can be edited and written back as the same bytes. */
export function textOf(bytes: Uint8Array): string | undefined {
  const text = decoded(bytes, false);
  return text === undefined || CONTROL.test(text) ? undefined : text;
}

/** One line about a value; a long one by its beginning. */
export function previewOf(bytes: Uint8Array): Shown {
  if (bytes.length === 0) return { type: "empty", text: "empty" };
  // A letter may be cut in two at the end of the preview; that alone does not make it binary.
  const text = decoded(bytes.subarray(0, PREVIEW_BYTES), bytes.length > PREVIEW_BYTES);
  if (text !== undefined && !CONTROL.test(text)) return { type: "text", text: text.replaceAll(/\s+/g, " ") };
  const more = bytes.length > HEX_BYTES ? " …" : "";
  return {
    type: "binary",
    text: `binary, ${countOf(bytes.length, "byte")}: ${hexOf(bytes.subarray(0, HEX_BYTES))}${more}`,
  };
}

/** A key in full. Two keys never look the same: what is not text is hex. */
export function keyText(key: Uint8Array): string {
  return textOf(key) ?? `0x${hexOf(key).replaceAll(" ", "")}`;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Undefined when it is not hex. */
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
