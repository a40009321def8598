/** `quorate auth` */
import { createClient, EtcdError, GrpcCode } from "../../client/client.ts";
import { httpServices } from "../../client/http/http-services.ts";
import type { AuthService } from "../../member/api/services.ts";
import { authUserAddRequest, authUserChangePasswordRequest } from "../../protocol/api/auth.ts";
import { errRoleAlreadyExist, errRootRoleNotExist, errUserAlreadyExist } from "../../protocol/errors.ts";
import { endpointOf, UsageError } from "../common/command.ts";
import type { Command, Input } from "../common/command.ts";
import { connectServices, tokenOf } from "../common/connect.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { CALL } from "../common/members.ts";
import { newPassword, PASSWORD_FILE } from "../common/password.ts";
import type { Terminal } from "../output/terminal.ts";

export const authCommand: Command = {
  name: "auth",
  usage: "init | enable | disable | status [options]",
  summary: "init: opens a closed endpoint, by giving it the user root and enabling auth. The others as etcdctl's.",
  details: `
A deployed endpoint is closed: until auth is enabled, it serves only who shows its setup token. init asks for root's
password (or takes --password-file, or stdin), adds user and role root, and enables auth. From then on users and roles
decide, and the setup token reads and writes nothing any more; the deployment's still manages its clusters.`,
  options: {
    "setup-token": { type: "string", value: "TOKEN", help: "init: the endpoint's; default --token, or $QUORATE_TOKEN" },
    ...PASSWORD_FILE,
  },
  examples: [
    "quorate auth init --endpoint https://quorate.example --setup-token TOKEN",
    "quorate auth init --cluster staging --password-file root.txt",
    "quorate auth status --user root:PASSWORD",
  ],
  run,
};

const TIMEOUT_MS = 10_000;

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [verb = "", ...more] = input.positionals;
  if (more.length > 0) throw new UsageError("auth takes init, enable, disable, or status");
  const endpoint = endpointOf(input, terminal.env);
  const { auth } =
    verb === "init" ? initServices(input, terminal, endpoint) : connectServices(input, terminal, endpoint);
  switch (verb) {
    case "init":
      return init(input, terminal, auth, endpoint);
    case "enable":
      await enable(auth);
      await terminal.write("Authentication Enabled\n");
      return ExitCode.ok;
    case "disable":
      await auth.authDisable({}, CALL);
      await terminal.write("Authentication Disabled\n");
      return ExitCode.ok;
    case "status": {
      const { enabled, authRevision } = await auth.authStatus({}, CALL);
      await terminal.write(`Authentication Status: ${enabled}\nAuthRevision: ${authRevision}\n`);
      return ExitCode.ok;
    }
    default:
      throw new UsageError("auth takes init, enable, disable, or status");
  }
}

function initServices(input: Input, terminal: Terminal, endpoint: string): { readonly auth: AuthService } {
  const token = input.text("setup-token") ?? tokenOf(input, terminal);
  return httpServices({ endpoint, token, timeoutMs: input.milliseconds("timeout", TIMEOUT_MS) });
}

/** Each step may have been done before, by an init that was broken off. */
async function init(input: Input, terminal: Terminal, auth: AuthService, endpoint: string): Promise<ExitCode> {
  if (await isEnabled(auth)) {
    terminal.writeError(`quorate: auth is enabled already at ${endpoint}; nothing was done\n`);
    return ExitCode.negative;
  }
  const password = await newPassword(input, terminal, "root");
  await auth.userAdd(authUserAddRequest({ name: "root", password }), CALL).catch(async (error: unknown) => {
    if (!isError(error, errUserAlreadyExist)) throw error;
    await auth.userChangePassword(authUserChangePasswordRequest({ name: "root", password }), CALL);
  });
  await enable(auth);
  const services = httpServices({ endpoint, timeoutMs: input.milliseconds("timeout", TIMEOUT_MS) });
  await createClient(services, { user: { name: "root", password } }).status();
  await terminal.write(nextText(endpoint));
  return ExitCode.ok;
}

/** Where auth is enabled, a setup token is an invalid one. */
async function isEnabled(auth: AuthService): Promise<boolean> {
  try {
    return (await auth.authStatus({}, CALL)).enabled;
  } catch (error) {
    if (
      error instanceof EtcdError &&
      error.code === GrpcCode.Unauthenticated &&
      /invalid auth token/.test(error.message)
    )
      return true;
    throw error;
  }
}

/** As etcdctl: root gets its role first. */
async function enable(auth: AuthService): Promise<void> {
  try {
    await auth.authEnable({}, CALL);
  } catch (error) {
    if (!isError(error, errRootRoleNotExist)) throw error;
    await auth.roleAdd({ name: "root" }, CALL).catch((known: unknown) => {
      if (!isError(known, errRoleAlreadyExist)) throw known;
    });
    await auth.userGrantRole({ user: "root", role: "root" }, CALL);
    await auth.authEnable({}, CALL);
  }
}

function isError(error: unknown, known: EtcdError): boolean {
  return error instanceof EtcdError && error.message === known.message;
}

function nextText(endpoint: string): string {
  return `Auth is enabled at ${endpoint}: root may do everything, nobody else anything. The setup token reads and writes
nothing any more; the deployment's still makes and deletes clusters. What comes next:

  export QUORATE_ENDPOINT=${endpoint} QUORATE_USER=root:PASSWORD

  npx quorate user add app                                      asks for its password
  npx quorate role add app
  npx quorate role grant-permission app readwrite app/ --prefix
  npx quorate user grant-role app app

  curl ${endpoint}/v3/auth/authenticate -d '{"name":"app","password":"..."}'
`;
}
