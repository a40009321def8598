/** Endpoints of etcd outside of its services, and Quorate's own status of a member. */
import { CLUSTER_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import { PROBES } from "../../member/api/services.ts";
import type { HealthService, InspectService, ProbeKind } from "../../member/api/services.ts";
import { errorResponse, JSON_TYPE } from "./errors.ts";
import { PROMETHEUS_TYPE, prometheusText } from "./prometheus.ts";

export async function healthResponse(health: HealthService, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const serializable = searchParams.get("serializable") === "true";
  try {
    const reason = await health.check({ serializable, exclude: searchParams.getAll("exclude") });
    const body = { health: reason === undefined ? "true" : "false", reason: reason ?? "" };
    const text = JSON.stringify(body);
    return reason === undefined ? plain(text, 200) : plain(`${text}\n`, 503);
  } catch (error) {
    return errorResponse(error);
  }
}

/** Failed checks are always listed; passed ones only with `?verbose`. */
export async function probeResponse(
  health: HealthService,
  kind: ProbeKind,
  request: Request,
  only?: string,
): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const excluded = searchParams.getAll("exclude");
  const names = only === undefined ? PROBES[kind].filter((name) => !excluded.includes(name)) : [only];
  try {
    const results = await health.probe(kind, names);
    const lines = results.map(({ name, failure }) =>
      failure === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${failure}\n`,
    );
    if (results.some(({ failure }) => failure !== undefined)) return plain(`${lines.join("")}\n`, 503);
    return plain(searchParams.has("verbose") ? `${lines.join("")}ok\n` : "ok\n", 200);
  } catch (error) {
    return errorResponse(error);
  }
}

export function versionResponse(health: HealthService): Response {
  const version = health.clusterVersion?.() ?? CLUSTER_VERSION;
  return json({ etcdserver: SERVER_VERSION, etcdcluster: version, storage: version }, 200);
}

export async function metricsResponse(
  health: HealthService,
  common: Readonly<Record<string, string>>,
): Promise<Response> {
  await health.leaderConfirmed?.();
  const samples = health.metrics().map((sample) => ({ ...sample, labels: { ...sample.labels, ...common } }));
  return new Response(prometheusText(samples), { headers: { "content-type": PROMETHEUS_TYPE } });
}

export async function inspectResponse(inspect: InspectService): Promise<Response> {
  try {
    return json(await inspect.view(), 200);
  } catch (error) {
    return errorResponse(error);
  }
}

function plain(text: string, status: number): Response {
  const headers = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  return new Response(text, { status, headers });
}

function json(body: object, status: number): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": JSON_TYPE } });
}
