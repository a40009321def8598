/**
 * Failures within a long job: all are counted, a limited number is named, and they are printed at the end, one line per
 * reason.
 */
import { toBase64 } from "../../base/text-codes.ts";
import { isUtf8, utf8Decode } from "../../base/utf8.ts";
import type { Terminal } from "./terminal.ts";

const MAX_NAMES = 10;
const MAX_REASONS = 100;
const OTHER_REASONS = "other reasons";

export class Remarks {
  readonly #byReason: Map<string, { count: number; readonly names: string[] }> = new Map();
  count = 0;

  add(name: Uint8Array, reason: string): void {
    this.count++;
    const isBounded = this.#byReason.has(reason) || this.#byReason.size < MAX_REASONS;
    const group = this.#group(isBounded ? reason : OTHER_REASONS);
    group.count++;
    if (group.names.length < MAX_NAMES) group.names.push(shownName(name));
  }

  tell(terminal: Terminal, title: string): void {
    for (const [reason, { count, names }] of this.#byReason) {
      const more = count > names.length ? `, and ${count - names.length} more` : "";
      terminal.writeError(`${title}, ${reason} (${count}): ${names.join(", ")}${more}\n`);
    }
  }

  #group(reason: string): { count: number; readonly names: string[] } {
    const known = this.#byReason.get(reason);
    if (known !== undefined) return known;
    const group = { count: 0, names: [] };
    this.#byReason.set(reason, group);
    return group;
  }
}

/** Printed on one line, and reversible: a name that is not plain text is printed in base64. */
export function shownName(name: Uint8Array): string {
  const isPlain = isUtf8(name) && !name.some((byte) => byte < 0x20 || byte === 0x7f);
  return isPlain ? utf8Decode(name) : `base64:${toBase64(name)}`;
}
