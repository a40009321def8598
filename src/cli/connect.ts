/** From the common options to a client. */
import { createClient } from "../client/client.ts";
import type { Client } from "../client/client.ts";
import { httpServices } from "../client/http-services.ts";
import type { Services } from "../member/services.ts";
import { endpointOf } from "./command.ts";
import type { Input } from "./command.ts";
import type { Terminal } from "./terminal.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export function connectServices(input: Input, terminal: Terminal, endpoint: string): Services {
  const token = input.text("token") ?? terminal.env["QUORATE_TOKEN"] ?? "";
  return httpServices({ endpoint, token, timeoutMs: input.milliseconds("timeout", DEFAULT_TIMEOUT_MS) });
}

export function connect(input: Input, terminal: Terminal): Client {
  return createClient(connectServices(input, terminal, endpointOf(input, terminal.env)));
}
