/**
 * HTTP route for who votes in a room's cluster, for whoever may manage its users: while auth is off, the holder of the
 * room's secret or of a setup token; then root.
 *
 *     POST /quorate/shape   {"shape":"edge"}, {"shape":"mixed"} or {"shape":"tabs"}
 */
import { boundedJson } from "../common/bounded-json.ts";
import { callContext } from "../../src/gateway/http/context.ts";
import { responseOf } from "../../src/gateway/http/errors.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { Cluster } from "./clusters.ts";

export async function shapeResponse(request: Request, { balancer }: Cluster): Promise<Response> {
  if (request.method !== "POST") return refused(405, GrpcCode.Unimplemented, "Method Not Allowed");
  if (request.headers.has("origin")) return refused(403, GrpcCode.PermissionDenied, "pages may not change who votes");
  const refusal = await balancer.administratorRefusal(callContext(request));
  if (refusal !== undefined) return responseOf(refusal);
  const { shape } = (await boundedJson(request)) ?? {};
  if (shape !== "edge" && shape !== "mixed" && shape !== "tabs") {
    return refused(400, GrpcCode.InvalidArgument, 'expected {"shape":"edge"}, {"shape":"mixed"} or {"shape":"tabs"}');
  }
  const failure = await balancer.reshape(shape);
  return failure === undefined ? Response.json({ shape }) : responseOf(failure);
}

function refused(status: number, code: GrpcCode, message: string): Response {
  return Response.json({ code, message }, { status });
}
