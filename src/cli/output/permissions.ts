/** Permissions and key ranges in etcdctl's words. */
import { equalBytes, prefixEnd } from "../../base/bytes.ts";
import type { Permission } from "../../protocol/api/auth.ts";

type Range = Pick<Permission, "key" | "rangeEnd">;

export function permissionsText(role: string, permissions: readonly Permission[]): string {
  const all = role === "root" ? [{ permType: "READWRITE" as const, key: NONE, rangeEnd: OPEN }] : permissions;
  const lines = (other: "READ" | "WRITE"): string =>
    all
      .filter(({ permType }) => permType === "READWRITE" || permType === other)
      .map((range) => `\t${permittedText(range)}\n`)
      .join("");
  return `Role ${role}\nKV Read:\n${lines("READ")}KV Write:\n${lines("WRITE")}`;
}

/** "[a, b)", "[a, <open ended>". */
export function rangeText({ key, rangeEnd }: Range): string {
  return isOpen(rangeEnd) ? `[${text(key)}, <open ended>` : `[${text(key)}, ${text(rangeEnd)})`;
}

const NONE = new Uint8Array();
const OPEN = Uint8Array.of(0);

function permittedText({ key, rangeEnd }: Range): string {
  if (rangeEnd.length === 0) return text(key);
  const range = rangeText({ key, rangeEnd });
  return !isOpen(rangeEnd) && equalBytes(prefixEnd(key), rangeEnd) ? `${range} (prefix ${text(key)})` : range;
}

function isOpen(rangeEnd: Uint8Array): boolean {
  return equalBytes(rangeEnd, OPEN);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
