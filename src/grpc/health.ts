/** `grpc.health.v1`, which knows one service, the empty name: who can be asked is up, as with etcd. */
import type { Source } from "../member/api/source.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { HealthCheckRequest, HealthCheckResponse } from "../protocol/api/maintenance.ts";

export async function checkHealth({ service }: HealthCheckRequest): Promise<HealthCheckResponse> {
  if (service !== "") throw new EtcdError(GrpcCode.NotFound, "unknown service");
  return { status: "SERVING" };
}

/** One word, and then silence until the call ends: nothing changes while the server runs. */
export function healthSource({ service }: HealthCheckRequest): Source<HealthCheckResponse> {
  let isTold = false;
  let close = (): void => {};
  const closed = new Promise<undefined>((resolve) => {
    close = () => resolve(undefined);
  });
  return {
    async next() {
      if (isTold) return closed;
      isTold = true;
      return { status: service === "" ? "SERVING" : "SERVICE_UNKNOWN" };
    },
    close,
  };
}
