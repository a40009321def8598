/** Passwords: typed twice without an echo, or read from a file or from stdin. */
import { readFile } from "node:fs/promises";
import { UsageError } from "./command.ts";
import type { Input, OptionSpecs } from "./command.ts";
import type { Terminal } from "../output/terminal.ts";

export const PASSWORD_FILE: OptionSpecs = {
  "password-file": { type: "string", value: "FILE", help: "read the password from FILE, its first line; - is stdin" },
};

const PASSWORD_BYTES_MAX = 4096;

/** Returns the password for `user`. Throws UsageError if there is none. */
export async function newPassword(input: Input, terminal: Terminal, user: string): Promise<string> {
  const file = input.text("password-file");
  if (file !== undefined && file !== "-") return checked(firstLine(await fileText(file)));
  if (file === "-" || !terminal.inputIsTty) {
    const bytes = await terminal.readInput(PASSWORD_BYTES_MAX);
    return checked(firstLine(new TextDecoder().decode(bytes ?? new Uint8Array())));
  }
  const typed = await terminal.readSecret(`Password of ${user}: `);
  const again = await terminal.readSecret(`Type password of ${user} again for confirmation: `);
  if (typed !== again) throw new UsageError("the two passwords differ");
  return checked(typed);
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`--password-file cannot be read: ${(error as Error).message}`);
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.replace(/\r$/, "") ?? "";
}

function checked(password: string): string {
  if (password === "") throw new UsageError("a password has at least one character");
  return password;
}
