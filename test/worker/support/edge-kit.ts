/** The edge cluster as a client sees it, through the deployed worker's own front, and its objects from inside. */
import { env } from "cloudflare:workers";
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import type { Env } from "../../../worker/common/env.ts";
import { objectNameOf } from "../../../worker/common/identity.ts";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import worker from "../../../worker/main.ts";

const edgeEnv = env as unknown as Env;

export function stubOf(number: number): ReturnType<Env["MEMBERS"]["get"]> {
  const { MEMBERS, CLUSTER_NAME } = edgeEnv;
  return MEMBERS.get(MEMBERS.idFromName(objectNameOf(CLUSTER_NAME, number)));
}

/** As a crash does: what is in memory is gone, and so is who waits for an answer. */
export async function kill(number: number): Promise<void> {
  await runInDurableObject(stubOf(number), (_member: EdgeMember, state) => state.abort("killed")).catch(() => {});
}

export async function edge(
  path: string,
  init: RequestInit = {},
  changes: Partial<Env> = {},
  base = "http://edge",
): Promise<Response> {
  const request = new Request(`${base}${path}`, init) as Parameters<NonNullable<typeof worker.fetch>>[0];
  // What the worker remembers belongs to its environment.
  const own = Object.keys(changes).length === 0 ? edgeEnv : { ...edgeEnv, ...changes };
  const response = worker.fetch?.(request, own, createExecutionContext());
  if (response === undefined) throw new Error("the worker answers requests");
  return response;
}

export async function post<Answer = Record<string, unknown>>(path: string, body: unknown): Promise<Answer> {
  const response = await edge(path, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as Answer;
}

export interface RangeAnswer {
  readonly header: { readonly revision: string; readonly member_id: string };
  readonly kvs?: readonly { readonly key: string; readonly value: string; readonly mod_revision: string }[];
  readonly count?: string;
}

export async function put(key: string, value: string, member = ""): Promise<number> {
  const { header } = await post<RangeAnswer>(`${member}/v3/kv/put`, { key: btoa(key), value: btoa(value) });
  return Number(header.revision);
}

/** The value, or undefined when there is none. */
export async function get(key: string, member = "", serializable = false): Promise<string | undefined> {
  const answer = await post<RangeAnswer>(`${member}/v3/kv/range`, { key: btoa(key), serializable });
  const value = answer.kvs?.[0]?.value;
  return value === undefined ? undefined : atob(value);
}

/** Reads from the member's own state until it holds the value: a follower learns of a commit a moment later. */
export async function eventually(key: string, value: string, member: string): Promise<void> {
  while ((await get(key, member, true)) !== value) await new Promise((resolve) => setTimeout(resolve, 10));
}

export async function leaderNumber(): Promise<number> {
  const response = await stubOf(1).fetch("http://edge/health");
  await response.text();
  return Number(response.headers.get("x-quorate-leader"));
}
