/** gRPC's own health service, which etcd serves beside its own. */
import { healthCheckRequestSchema, healthCheckResponseSchema } from "../schema/maintenance-schema.ts";
import type { HealthCheckRequest, HealthCheckResponse } from "../maintenance.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface HealthRpcs {
  readonly check: Rpc<HealthCheckRequest, HealthCheckResponse>;
  readonly watch: Rpc<HealthCheckRequest, HealthCheckResponse, "serverStream">;
}

const SERVICE = "grpc.health.v1.Health";

export const HEALTH_RPCS: HealthRpcs = {
  check: unary(SERVICE, "Check", [], healthCheckRequestSchema, healthCheckResponseSchema),
  watch: serverStream(SERVICE, "Watch", [], healthCheckRequestSchema, healthCheckResponseSchema),
};
