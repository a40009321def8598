/** The client for the worker's own code. */
import { type ApplicationClient, applicationClient } from "../../src/client/app/application-client.ts";
import { Connection } from "../../src/client/app/connection.ts";
import { createClient } from "../../src/client/client.ts";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import type { Balancer } from "../calls/balancer.ts";
import type { Clusters } from "../clusters/clusters.ts";
import type { CallResult, OpenResult } from "../common/service-rpc.ts";
import type { WorkerClientOptions } from "../options.ts";
import { rpcServices } from "./rpc-services.ts";

export function workerClient(clusters: Clusters, options: WorkerClientOptions = {}): ApplicationClient {
  const { cluster, user, token = "", requireLeader = false, signal } = options;
  const connection = new Connection();
  const services = rpcServices({
    call: (call, isRead) => observed(connection, async () => (await balancerFor(clusters, cluster)).call(call, isRead)),
    open: (call, isRead) => observed(connection, async () => (await balancerFor(clusters, cluster)).open(call, isRead)),
  });
  const client = applicationClient(
    createClient(services, { user, token: user === undefined ? token : "", requireLeader }),
    { backoff: SYSTEM_BACKOFF, connection },
  );
  if (signal?.aborted === true) void client.close();
  else signal?.addEventListener("abort", () => void client.close(), { once: true });
  return client;
}

/** Rejects with EtcdError (NotFound) if there is no such cluster. */
async function balancerFor(clusters: Clusters, name: string | undefined): Promise<Balancer> {
  const found = name === undefined ? clusters.first : await clusters.find(name);
  if ("missing" in found) throw new EtcdError(GrpcCode.NotFound, found.missing);
  return found.balancer;
}

/** Notes what a call says about the cluster: only Unavailable means that no member serves. */
async function observed<Result extends CallResult | OpenResult>(
  connection: Connection,
  call: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await call();
    if (result.type === "error" && result.code === GrpcCode.Unavailable) connection.set("unavailable", result.message);
    else connection.set("connected", "");
    return result;
  } catch (error) {
    connection.set("unavailable", error instanceof Error ? error.message : String(error));
    throw error;
  }
}
