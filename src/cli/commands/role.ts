/** `quorate role`, with etcdctl's verbs and texts. */
import { prefixEnd } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { AuthService } from "../../member/api/services.ts";
import type { Permission, PermissionType } from "../../protocol/api/auth.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { CALL } from "../common/members.ts";
import { permissionsText, rangeText } from "../output/permissions.ts";
import type { Terminal } from "../output/terminal.ts";

export const roleCommand: Command = {
  name: "role",
  usage:
    "add ROLE | delete ROLE | get ROLE | list | grant-permission ROLE read|write|readwrite KEY [END] | revoke-permission ROLE KEY [END]",
  summary: "Manages roles and what they permit, as etcdctl role.",
  options: {
    prefix: { type: "boolean", help: "grant-permission, revoke-permission: all keys that begin with KEY" },
    "from-key": { type: "boolean", help: "grant-permission, revoke-permission: KEY and all keys after it" },
  },
  examples: [
    "quorate role add app",
    "quorate role grant-permission app readwrite app/ --prefix",
    "quorate role revoke-permission app app/ --prefix",
  ],
  run,
};

const TYPES: Readonly<Record<string, PermissionType>> = { read: "READ", write: "WRITE", readwrite: "READWRITE" };

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const { auth } = connectServices(input, terminal, endpointOf(input, terminal.env));
  await terminal.write(await done(auth, input));
  return ExitCode.ok;
}

async function done(auth: AuthService, input: Input): Promise<string> {
  const [verb, role = "", ...rest] = input.positionals;
  const isOne = role !== "" && rest.length === 0;
  if (verb === "list" && role === "") {
    return (await auth.roleList({}, CALL)).roles.map((name) => `${name}\n`).join("");
  }
  if (verb === "add" && isOne) {
    await auth.roleAdd({ name: role }, CALL);
    return `Role ${role} created\n`;
  }
  if (verb === "delete" && isOne) {
    await auth.roleDelete({ role }, CALL);
    return `Role ${role} deleted\n`;
  }
  if (verb === "get" && isOne) return permissionsText(role, (await auth.roleGet({ role }, CALL)).perm);
  if (verb === "grant-permission") {
    const [type = "", ...keys] = rest;
    const permType = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (permType === undefined) throw new UsageError(`a permission is read, write or readwrite, not "${type}"`);
    await auth.roleGrantPermission({ name: role, perm: { permType, ...rangeOf(input, keys) } }, CALL);
    return `Role ${role} updated\n`;
  }
  if (verb === "revoke-permission") {
    const range = rangeOf(input, rest);
    await auth.roleRevokePermission({ role, ...range }, CALL);
    const what = range.rangeEnd.length === 0 ? `key ${rest[0]}` : `range ${rangeText(range)}`;
    return `Permission of ${what} is revoked from role ${role}\n`;
  }
  throw new UsageError(`role takes ${roleCommand.usage}`);
}

function rangeOf(input: Input, keys: readonly string[]): Pick<Permission, "key" | "rangeEnd"> {
  const kind = input.oneOf("prefix", "from-key");
  const [first, end, ...more] = keys;
  if (first === undefined || more.length > 0 || (end !== undefined && kind !== undefined)) {
    throw new UsageError("a permission takes KEY, KEY END, KEY --prefix, or KEY --from-key");
  }
  const key = utf8Encode(first);
  if (kind === undefined) return { key, rangeEnd: utf8Encode(end ?? "") };
  // The empty key is not one: all keys begin after it.
  const start = key.length === 0 ? Uint8Array.of(0) : key;
  const isAll = kind === "from-key" || key.length === 0;
  return { key: start, rangeEnd: isAll ? Uint8Array.of(0) : prefixEnd(key) };
}
