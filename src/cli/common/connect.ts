/** Creates a client from the common options. */
import { authenticated } from "../../client/facade/authenticated.ts";
import type { User } from "../../client/facade/authenticated.ts";
import { createClient } from "../../client/client.ts";
import type { Client } from "../../client/client.ts";
import { httpServices } from "../../client/http/http-services.ts";
import type { Services } from "../../member/api/services.ts";
import { endpointOf, UsageError } from "./command.ts";
import type { Input } from "./command.ts";
import type { Terminal } from "../output/terminal.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export function connectServices(input: Input, terminal: Terminal, endpoint: string): Services {
  const token = tokenOf(input, terminal);
  const services = httpServices({ endpoint, token, timeoutMs: input.milliseconds("timeout", DEFAULT_TIMEOUT_MS) });
  const user = userOf(input, terminal.env);
  return user === undefined ? services : authenticated(services, user);
}

export function tokenOf(input: Input, terminal: Terminal): string {
  return input.text("token") ?? terminal.env["QUORATE_TOKEN"] ?? "";
}

/** Everything after the first colon is the password, further colons too. */
function userOf(input: Input, env: Terminal["env"]): User | undefined {
  const text = input.text("user") ?? (env["QUORATE_USER"] || undefined);
  if (text === undefined) return undefined;
  const colon = text.indexOf(":");
  if (colon < 1) throw new UsageError("--user takes NAME:PASSWORD");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

export function connect(input: Input, terminal: Terminal): Client {
  return createClient(connectServices(input, terminal, endpointOf(input, terminal.env)));
}
