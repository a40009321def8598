/**
 * HTTP routes for backups, for whoever may manage users: while auth is off, the holder of the setup token; then root.
 *
 *     POST /quorate/backups/now            writes one
 *     POST /quorate/backups/list           the newest first
 *     POST /quorate/backups/get?name=…     the file
 */
import { callContext } from "../../src/gateway/http/context.ts";
import { responseOf } from "../../src/gateway/http/errors.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { Cluster } from "../clusters/clusters.ts";
import { backUp } from "./backup-clusters.ts";
import { BackupStore } from "./backup-store.ts";

const NO_BUCKET = "this deployment keeps no backups: bind an R2 bucket as BACKUPS (wrangler.toml)";

export async function backupResponse(
  step: string,
  name: string,
  request: Request,
  cluster: Cluster,
): Promise<Response> {
  if (request.method !== "POST") return refused(405, GrpcCode.Unimplemented, "Method Not Allowed");
  if (request.headers.has("origin")) return refused(403, GrpcCode.PermissionDenied, "pages may not handle backups");
  const refusal = await cluster.balancer.administratorRefusal(callContext(request));
  if (refusal !== undefined) return responseOf(refusal);
  const { BACKUPS, CLUSTER_NAME } = cluster.env;
  if (BACKUPS === undefined) return refused(412, GrpcCode.FailedPrecondition, NO_BUCKET);
  const store = new BackupStore(BACKUPS, CLUSTER_NAME);
  switch (step) {
    case "now":
      try {
        return Response.json(await backUp(cluster));
      } catch (error) {
        return refused(503, GrpcCode.Unavailable, `no backup was written: ${String(error)}`);
      }
    case "list":
      return Response.json({ backups: await store.list() });
    case "get": {
      const found = await store.read(name);
      if (found === undefined) return refused(404, GrpcCode.NotFound, "there is no such backup");
      const headers = { "content-type": "application/octet-stream", "content-length": String(found.size) };
      return new Response(found.body, { headers });
    }
    default:
      return refused(404, GrpcCode.NotFound, "Not Found");
  }
}

function refused(status: number, code: GrpcCode, message: string): Response {
  return Response.json({ code, message }, { status });
}
