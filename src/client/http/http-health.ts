/**
 * `/health`, `/livez` and `/readyz` of a member behind HTTP. An unhealthy member responds with 503 and its reason; that
 * is not an error here.
 */
import { EtcdError } from "../../protocol/errors.ts";
import { PROBES } from "../../member/api/services.ts";
import type { CallContext, HealthService, ProbeKind, ProbeResult } from "../../member/api/services.ts";
import type { HttpCaller } from "./http-call.ts";

const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function httpHealth(caller: HttpCaller): HealthService {
  return {
    check: (what) => checkHealth(caller, what),
    probe: (kind, names = PROBES[kind]) => probeOver(caller, kind, names),
    metrics: () => [],
  };
}

async function checkHealth(
  caller: HttpCaller,
  { serializable, exclude }: { readonly serializable: boolean; readonly exclude: readonly string[] },
): Promise<string | undefined> {
  const query = new URLSearchParams(exclude.map((alarm) => ["exclude", alarm]));
  if (serializable) query.set("serializable", "true");
  try {
    await caller.call({ method: "GET", path: `/health?${query}`, context: NO_CONTEXT, isRead: false });
    return undefined;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    const [, reason] = /"reason":"([^"]*)"/.exec(error.message) ?? [];
    if (reason === undefined) throw error;
    return reason;
  }
}

async function probeOver(
  caller: HttpCaller,
  kind: ProbeKind,
  names: readonly string[],
): Promise<readonly ProbeResult[]> {
  const excluded = PROBES[kind].filter((name) => !names.includes(name));
  const query = new URLSearchParams([["verbose", ""], ...excluded.map((name) => ["exclude", name])]);
  let text: string;
  try {
    text = await caller.call({ method: "GET", path: `/${kind}?${query}`, context: NO_CONTEXT, isRead: false });
  } catch (error) {
    if (!(error instanceof EtcdError) || !/\[-\]\w+ failed: /.test(error.message)) throw error;
    text = error.message;
  }
  // One check per line, or all checks on one line in the text of an error.
  const checks = text.matchAll(/\[[+-]\](\w+) (?:ok|failed: (.*?))(?=\s*(?:\[|ok\s*$|$))/g);
  return [...checks].map(([, name = "", failure]) => ({ name, failure }));
}
