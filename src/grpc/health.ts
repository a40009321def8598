/** `grpc.health.v1`. As in etcd, it knows one service, the empty name: a server that responds is serving. */
import type { Source } from "../member/api/source.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { HealthCheckRequest, HealthCheckResponse } from "../protocol/api/maintenance.ts";

export async function checkHealth({ service }: HealthCheckRequest): Promise<HealthCheckResponse> {
  if (service !== "") throw new EtcdError(GrpcCode.NotFound, "unknown service");
  return { status: "SERVING" };
}

/** Sends one status, and then nothing until the call ends: the status does not change while the server runs. */
export function healthSource({ service }: HealthCheckRequest): Source<HealthCheckResponse> {
  let isSent = false;
  let close = (): void => {};
  const closed = new Promise<undefined>((resolve) => {
    close = () => resolve(undefined);
  });
  return {
    async next() {
      if (isSent) return closed;
      isSent = true;
      return { status: service === "" ? "SERVING" : "SERVICE_UNKNOWN" };
    },
    close,
  };
}
