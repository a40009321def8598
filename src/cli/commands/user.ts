/** `quorate user`, with etcdctl's verbs and texts. */
import { authUserAddRequest, authUserChangePasswordRequest, userAddOptions } from "../../protocol/api/auth.ts";
import type { AuthService } from "../../member/api/services.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { CALL } from "../common/members.ts";
import { newPassword, PASSWORD_FILE } from "../common/password.ts";
import { permissionsText } from "../output/permissions.ts";
import type { Terminal } from "../output/terminal.ts";

export const userCommand: Command = {
  name: "user",
  usage:
    "add NAME[:PASSWORD] | delete NAME | get NAME | list | passwd NAME | grant-role NAME ROLE | revoke-role NAME ROLE",
  summary: "Manages users, as etcdctl user.",
  details: `
add and passwd ask for the password and do not show it. Without a terminal they read it from stdin.`,
  options: {
    ...PASSWORD_FILE,
    "new-user-password": { type: "string", value: "PASSWORD", help: "add: its password" },
    "no-password": { type: "boolean", help: "add: a user without a password, who cannot log in" },
    interactive: { type: "string", value: "false", help: "add, passwd: read the password from stdin" },
    detail: { type: "boolean", help: "get: with what each role permits" },
  },
  examples: ["quorate user add app", "quorate user grant-role app app", "quorate user get app --detail"],
  run,
};

type Verb = (auth: AuthService, input: Input, terminal: Terminal, name: string, role: string) => Promise<string>;

const VERBS: Readonly<Record<string, { readonly words: number; readonly run: Verb }>> = {
  add: { words: 1, run: add },
  delete: {
    words: 1,
    run: async (auth, _input, _terminal, name) => {
      await auth.userDelete({ name }, CALL);
      return `User ${name} deleted\n`;
    },
  },
  get: { words: 1, run: get },
  list: {
    words: 0,
    run: async (auth) => linesOf((await auth.userList({}, CALL)).users),
  },
  passwd: {
    words: 1,
    run: async (auth, input, terminal, name) => {
      const password = await newPassword(stdinIfAsked(input, terminal), terminal, name);
      await auth.userChangePassword(authUserChangePasswordRequest({ name, password }), CALL);
      return "Password updated\n";
    },
  },
  "grant-role": {
    words: 2,
    run: async (auth, _input, _terminal, user, role) => {
      await auth.userGrantRole({ user, role }, CALL);
      return `Role ${role} is granted to user ${user}\n`;
    },
  },
  "revoke-role": {
    words: 2,
    run: async (auth, _input, _terminal, name, role) => {
      await auth.userRevokeRole({ name, role }, CALL);
      return `Role ${role} is revoked from user ${name}\n`;
    },
  },
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [word = "", name = "", role = ""] = input.positionals;
  const verb = Object.hasOwn(VERBS, word) ? VERBS[word] : undefined;
  if (verb === undefined || input.positionals.length !== verb.words + 1) {
    throw new UsageError(`user takes ${userCommand.usage}`);
  }
  const { auth } = connectServices(input, terminal, endpointOf(input, terminal.env));
  await terminal.write(await verb.run(auth, input, terminal, name, role));
  return ExitCode.ok;
}

async function add(auth: AuthService, input: Input, terminal: Terminal, text: string): Promise<string> {
  const colon = text.indexOf(":");
  const name = colon === -1 ? text : text.slice(0, colon);
  if (name === "") throw new UsageError("user add takes NAME or NAME:PASSWORD");
  if (input.flag("no-password")) {
    const options = userAddOptions({ noPassword: true });
    await auth.userAdd(authUserAddRequest({ name, options }), CALL);
  } else {
    const given = colon === -1 ? input.text("new-user-password") : text.slice(colon + 1);
    const password = given ?? (await newPassword(stdinIfAsked(input, terminal), terminal, name));
    await auth.userAdd(authUserAddRequest({ name, password, options: userAddOptions() }), CALL);
  }
  return `User ${name} created\n`;
}

async function get(auth: AuthService, input: Input, _terminal: Terminal, name: string): Promise<string> {
  const { roles } = await auth.userGet({ name }, CALL);
  if (!input.flag("detail")) return `User: ${name}\nRoles: ${roles.join(" ")}\n`;
  const details = await Promise.all(
    roles.map(async (role) => `\n${permissionsText(role, (await auth.roleGet({ role }, CALL)).perm)}`),
  );
  return `User: ${name}\n${details.join("")}`;
}

/** etcdctl's `--interactive=false` means stdin, also where that is a terminal. */
function stdinIfAsked(input: Input, _terminal: Terminal): Input {
  if (input.text("interactive") === undefined || input.text("password-file") !== undefined) return input;
  return input.with("password-file", "-");
}

function linesOf(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join("");
}
