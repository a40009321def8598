/** What etcd serves beside its services, and our own view of a member. */
import { CLUSTER_VERSION, SERVER_VERSION } from "../protocol/version.ts";
import type { HealthService, InspectService } from "../member/services.ts";
import { errorResponse, JSON_TYPE } from "./errors.ts";
import { PROMETHEUS_TYPE, prometheusText } from "./prometheus.ts";

export async function healthAnswer(health: HealthService, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const serializable = searchParams.get("serializable") === "true";
  try {
    const reason = await health.check({ serializable, exclude: searchParams.getAll("exclude") });
    const body = { health: reason === undefined ? "true" : "false", reason: reason ?? "" };
    return json(body, reason === undefined ? 200 : 503);
  } catch (error) {
    return errorResponse(error);
  }
}

export function versionAnswer(): Response {
  return json({ etcdserver: SERVER_VERSION, etcdcluster: CLUSTER_VERSION, storage: CLUSTER_VERSION }, 200);
}

export function metricsAnswer(health: HealthService): Response {
  return new Response(prometheusText(health.metrics()), { headers: { "content-type": PROMETHEUS_TYPE } });
}

export async function statusAnswer(inspect: InspectService): Promise<Response> {
  try {
    return json(await inspect.view(), 200);
  } catch (error) {
    return errorResponse(error);
  }
}

function json(body: object, status: number): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": JSON_TYPE } });
}
