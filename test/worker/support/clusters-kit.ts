/** Clusters beside the first one, as the deployed worker's front serves them. */
import { env } from "cloudflare:workers";
import { clusterKey, type ClusterRecord } from "../../../worker/common/cluster-record.ts";
import type { Env } from "../../../worker/common/env.ts";
import { objectNameOf } from "../../../worker/common/identity.ts";
import { edge, type RangeAnswer } from "./edge-kit.ts";

export async function manage(step: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const text = JSON.stringify(body);
  const headers = { "content-length": String(text.length) };
  const response = await edge(`/quorate/clusters/${step}`, { method: "POST", body: text, headers });
  return { status: response.status, body: await response.json() };
}

export async function create(name: string, size = 1): Promise<ClusterRecord> {
  const { status, body } = await manage("create", { name, size });
  if (status !== 200) throw new Error(`${name} was not created: ${JSON.stringify(body)}`);
  return body as unknown as ClusterRecord;
}

export function memberOf(record: ClusterRecord, number: number): ReturnType<Env["MEMBERS"]["get"]> {
  const { MEMBERS } = env as unknown as Env;
  return MEMBERS.get(MEMBERS.idFromName(objectNameOf(clusterKey(record), number)));
}

/** As much of the answers as tests look at. */
export interface Answer extends Partial<RangeAnswer> {
  readonly header: RangeAnswer["header"] & { readonly cluster_id: string };
  readonly members?: readonly object[];
  readonly token?: string;
  readonly message?: string;
  readonly ID?: string;
  readonly TTL?: string;
}

/** Of one cluster: `base` is "" or "/c/NAME". */
export async function call(
  base: string,
  path: string,
  body: object,
  token?: string,
): Promise<{ readonly status: number; readonly body: Answer }> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
  const text = JSON.stringify(body);
  headers["content-length"] = String(text.length);
  const response = await edge(`${base}${path}`, { method: "POST", body: text, headers });
  return { status: response.status, body: await response.json() };
}
